"""Writes the first C++ block of a Markdown file to a file: extract_example.py README.md example.cc"""

import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    block = re.search(r"^```cpp\n(.*?)^```$", file.read(), re.MULTILINE | re.DOTALL)
if not block:
    sys.exit(f"{sys.argv[1]} has no ```cpp block")
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(block.group(1))
