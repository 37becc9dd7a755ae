"""Lists every change of the site's profile, with its reason, and every acceptance test that was recorded."""

import streamlit as st

from cxr_core.errors import SiteError
from cxr_core.presentation.wording import format_count, format_time
from cxr_core.site.acceptance_record import AcceptanceRecord, read_acceptances
from cxr_core.site.profile_store import ProfileChange, read_history
from pages.components.evaluation.figures import format_with_interval
from pages.components.markdown import plain
from pages.components.site.installation import describe_profile
from pages.components.site.selection import Question


def show_history(question: Question) -> None:
    """The changes, then the tests, the newest first."""
    with st.container(key="site-history"):
        st.markdown("**Changes of the profile**")
        try:
            changes = [change for change in read_history() if _concerns(change, question)]
        except SiteError as error:
            st.error(plain(str(error)))
        else:
            rows = [_make_change_row(change) for change in changes]
            _show_rows(rows, "Nothing was installed here.")
        st.markdown("**Acceptance tests**")
        records, problems = read_acceptances(*question.key)
        for problem in problems:
            st.warning(plain(problem))
        _show_rows([_make_test_row(record) for record in records], "No test was made here.")
    st.caption("Records name films by the hash of their pixels alone; no file's name is kept.")


def _show_rows(rows: list[dict[str, str]], empty: str) -> None:
    if rows:
        st.table(rows, border="horizontal", hide_index=True, hide_header=False)
    else:
        st.caption(empty)


def _concerns(change: ProfileChange, question: Question) -> bool:
    return (change.profile.model, change.profile.finding) == question.key


def _make_change_row(change: ProfileChange) -> dict[str, str]:
    error = ""
    if change.what == "installed" and change.evidence is not None:
        before, after = map(format_with_interval, (change.evidence.before, change.evidence.after))
        error = f"{before} before, {after} after"
    return {
        "When": format_time(change.when),
        "Change": change.what,
        "Profile": plain(f"{change.profile.version}: {describe_profile(change.profile)}"),
        "Calibration error": error,
        "Reason": plain(change.reason),
    }


def _make_test_row(record: AcceptanceRecord) -> dict[str, str]:
    positives = sum(film.label == "present" for film in record.films)
    return {
        "When": format_time(record.made),
        "Version": plain(record.version),
        "Outcome": plain(record.acceptance.sentence),
        "Films": f"{format_count(len(record.films), 'films')} of "
        f"{format_count(record.patients, 'patients')}, {positives} with the finding",
    }
