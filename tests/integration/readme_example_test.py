"""The README's example does what the README says: readme_example_test.py PROGRAM"""

import sys
import unittest

from processes import Scene

PROGRAM = ""


class ReadmeExample(unittest.TestCase):
    def test_it_greets_itself_by_another_instance(self):
        with Scene() as scene:
            run = scene.run("example", PROGRAM)
            self.assertEqual(run.code(), 0, run.report())
            self.assertIn("str:alice: hello", run.out)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
