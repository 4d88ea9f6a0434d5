"""Makes the pictures of README and pages anew: `python docs/pictures.py`.

It needs the extra `dev` and a Chromium. The programs in the pictures are real ones.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from propq_async.testing import PropQEmulator, run_in_thread

PICTURES = Path(__file__).parent / "pictures"
LAST_WEEK = """\
Promoción;Vivienda;Estado;Precio;Orientación
4711;A-101;Disponible;250.000,00;N S
4711;A-102;Disponible;199.500,50;SW
4711;A-103;Reservado;180.000,00;Norte
"""
# Somebody sold a flat, and mistyped a price.
TODAY = LAST_WEEK.replace("A-101;Disponible", "A-101;Vendido").replace("199.500,50", "19.950,50")


def on_a_terminal(command: list[str], answer: bytes) -> str:
    """Return what the command prints on a terminal of 100 columns, with the answer typed."""
    pid, ours = pty.fork()
    if pid == 0:
        os.execvpe(command[0], command, os.environ | {"COLUMNS": "100", "TERM": "xterm-256color"})
    out, is_answered = b"", False
    with suppress(OSError):  # what Linux says at the end of a terminal
        while chunk := os.read(ours, 4096):
            out += chunk
            if not is_answered and b"[y/N]" in out:
                os.write(ours, answer)
                is_answered = True
    os.waitpid(pid, 0)
    # What was overwritten in place is not seen in the end.
    lines = [line.split("\r")[-1] for line in out.decode().replace("\r\n", "\n").split("\n")]
    return re.sub(r"\x1b\[\??[0-9;]*[A-JKlh]", "", "\n".join(lines))


def push(emulator: PropQEmulator) -> None:
    """Draw a push that asks about a price."""
    propq = [sys.executable, "-m", "propq_async"]
    Path("precios.csv").write_text(LAST_WEEK, encoding="utf-8")
    subprocess.run([*propq, "push", "precios.csv", "--yes"], check=True, capture_output=True)
    Path("precios.csv").write_text(TODAY, encoding="utf-8")
    out = on_a_terminal([*propq, "push", "precios.csv"], b"n\n")
    out = out.replace(emulator.url, "https://api.propq.com").replace(str(Path.cwd()) + "/", "")
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=110, file=nowhere, force_terminal=True)
        console.print(Text.assemble(("$ ", "bold green"), "propq push precios.csv"))
        console.print(Text.from_ansi(out))
    title = "propq push precios.csv"
    drawing = console.export_svg(title=title, theme=MONOKAI, unique_id="push")
    # Without the font that it would fetch from elsewhere.
    drawing = re.sub(r"@font-face \{.*?\}\s*", "", drawing, flags=re.DOTALL)
    (PICTURES / "push.svg").write_text(drawing, encoding="utf-8")


def report(emulator: PropQEmulator) -> None:
    """Photograph the page of a push of which a row was refused."""
    propq = [sys.executable, "-m", "propq_async"]
    Path("precios.csv").write_text(TODAY.replace("A-103", "A-1O3"), encoding="utf-8")
    command = [*propq, "push", "precios.csv", "--yes", "--report", "report.html"]
    subprocess.run(command, check=False, capture_output=True)
    page = Path("report.html").read_text(encoding="utf-8")
    page = page.replace(emulator.url, "https://api.propq.com").replace(str(Path.cwd()) + "/", "")
    Path("report.html").write_text(page, encoding="utf-8")
    photograph(Path("report.html").absolute().as_uri(), "report.png", "1200,960")


def photograph(page: str, name: str, size: str) -> None:
    """Take a picture of a page, as Chromium shows it."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("install a Chromium: the page cannot be photographed without one")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    shot = f"--screenshot={PICTURES / name}"
    subprocess.run(
        [browser, *flags, f"--window-size={size}", "--virtual-time-budget=3000", shot, page],
        check=True,
        capture_output=True,
        timeout=120,
    )


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, run_in_thread(PropQEmulator()) as emulator:
        os.chdir(folder)
        for number in (101, 102, 103):
            emulator.add_unit("4711", f"A-{number}", price=170_000 + 1_000 * number)
        os.environ |= {
            "PROPQ_BASE_URL": emulator.url,
            "PROPQ_CLIENT_ID": str(emulator.credentials.client_id),
            "PROPQ_CLIENT_SECRET": emulator.credentials.client_secret,
            "PROPQ_TOKEN_FILE": "memory:",
            "PROPQ_LEDGER": f"{folder}/ledger.sqlite3",
        }
        push(emulator)
        report(emulator)
        photograph(emulator.url, "emulator.png", "1200,730")


if __name__ == "__main__":
    main()
