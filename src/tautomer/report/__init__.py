"""Shows what a check found, and never decides anything: one module for each way of showing it.

- `terminal.print_report`: for a person at a terminal.
- `progress.Progress`: what is going on while a check runs.
- `html.render`: one self-contained page.
- `output.check_writable` and `output.write_report`: putting a report where it was asked for.

Importing this package, or any module of it, loads no third-party library; the first use does.
"""
