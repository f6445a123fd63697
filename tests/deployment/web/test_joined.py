"""Modules that are joined into one script do what they did apart."""

from __future__ import annotations

import subprocess
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

from edgekit.deployment.web.joined import joined

NODE, _ = compute_driver_executable()
MODULES = {
    "app.js": b"""// Prints.
import {EOL} from "node:os";
import {paper} from "./paper.js";
import {SIDE, twice} from "./sizes-of.js";

const size = paper(SIDE);
process.stdout.write(`${size.constructor.name} ${twice(1)} ${typeof own}${EOL}`);
""",
    "paper.js": b"""import {twice} from "./sizes-of.js";

const own = 1;

/** Paper. */
export async function paper(size) {
  return twice(size) + own;
}
""",
    "sizes-of.js": b"""export const SIDE = 20;

export function twice(size) {
  return 2 * size;
}

process.stdout.write("once ");
""",
    "unused.js": b"import {nothing} from './nowhere.js';",
}


def test_each_runs_once_in_a_scope_of_its_own_before_those_that_import_it(tmp_path: Path) -> None:
    script = tmp_path / "app.mjs"
    script.write_bytes(joined(MODULES, "app.js"))
    done = subprocess.run([NODE, script], capture_output=True, text=True, check=True)
    assert done.stdout == "once Promise 2 undefined\n"


def test_the_text_stays_readable() -> None:
    script = joined(MODULES, "app.js").decode()
    assert script.startswith('import {EOL} from "node:os";\n')
    assert "const {paper} = module_paper;\nconst {SIDE, twice} = module_sizes_of;\n" in script
    assert "/** Paper. */\nasync function paper(size) {\n" in script
    assert script.count("twice(size) {") == 1
    assert "nothing" not in script
