"""Runs what takes long beside the server's own thread."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


async def run_in_own_thread(function: Callable[[], Result]) -> Result:
    """Run a function in a thread that ends with it: one that stays would keep small parts of what it freed."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="service")
    try:
        context = contextvars.copy_context()  # says who acts
        return await asyncio.get_running_loop().run_in_executor(executor, context.run, function)
    finally:
        executor.shutdown(wait=False)
