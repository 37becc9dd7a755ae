"""What people see of every part: HTML pages, colours and wording."""
