#!/usr/bin/env python3
"""Writes the grids of the formats IQ1, IQ2 and IQ3 as tables of C: make_block_grids.py FOLDER

Needs the package gguf, which knows them. FOLDER is Sources/Base/CKernels/Formats/Blocks.
"""
import pathlib
import sys

import numpy as np
from gguf import quants

FILES = {
    "iq1": [("ck_grid_iq1", quants.IQ1_S)],
    "iq2": [("ck_grid_iq2_xxs", quants.IQ2_XXS), ("ck_grid_iq2_xs", quants.IQ2_XS), ("ck_grid_iq2_s", quants.IQ2_S)],
    "iq3": [("ck_grid_iq3_xxs", quants.IQ3_XXS), ("ck_grid_iq3_s", quants.IQ3_S)],
}


def entries(kind):
    """Each entry as one number: the places of its values among all, the first lowest."""
    kind.init_grid()
    values = sorted(kind.grid_map)
    grid = np.asarray(kind.grid).reshape(kind.grid_shape)
    bits = 2 if len(values) <= 4 else 3
    return [sum(values.index(v) << bits * i for i, v in enumerate(row)) for row in grid.astype(int).tolist()]


def main():
    folder = pathlib.Path(sys.argv[1])
    for file, grids in FILES.items():
        lines = [f"// The grids of {file.upper()}, written by Tests/Reference/make_block_grids.py.", '#include "grids.h"']
        for name, kind in grids:
            table = entries(kind)
            lines += ["", f"const uint16_t {name}[{len(table)}] = {{"]
            for first in range(0, len(table), 16):
                lines.append("    " + " ".join(f"0x{entry:04X}," for entry in table[first:first + 16]))
            lines[-1] = lines[-1].rstrip(",") + "};"
        (folder / f"grids_{file}.c").write_text("\n".join(lines) + "\n")


main()
