"""Feeds tools/check_tour made-up trees: each rule broken once, and kept once."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "tools" / "check_tour"
LOADER = importlib.machinery.SourceFileLoader("check_tour", str(SCRIPT))
CHECK = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_tour", LOADER))
LOADER.exec_module(CHECK)

OUTBOX_H = """
// Outbox::forget() is gone.
#define OUTBOX_MAX(x) (x)
class Outbox {
 public:
  static constexpr std::size_t kUsersMax = 64;
  struct Push { bool full = false; };
  template <typename Call>
  auto with(Call&& call) EXCLUDES(mutex_) { return call(helper(1)); }
  std::function<void(int)> told() const;
  friend class Room;

 private:
  Mutex mutex_;
  std::vector<int> waiting_ GUARDED_BY(mutex_);
};
class Room;
"""
OUTBOX_CC = """
namespace {
const char* kText = "Outbox::sell() { }";
int reserve(int size) { return measure(size); }
}  // namespace
Outbox::Push Outbox::push(const Identity& user,
                          Bytes payload) {
  if (user.valid()) return Core::send(payload);
  const char brace = '{';
  return {.full = reserve(brace) > 1'000};
}
Outbox::Outbox(int room) : room_{room} {}
"""
SOURCES = {"src/api/outbox.h": OUTBOX_H, "src/api/outbox.cc": OUTBOX_CC, "src/api/core.cc": "void Core::send() {}\n",
           "src/api/a_core.h": "class Core { void send(); };\n"}


def breaches(tour, sources=SOURCES):
    """The breaches of a tour in a tree of {path: content}."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, content in {**sources, "docs/TOUR.md": tour}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        return CHECK.check_tour(root)[0]


class Names(unittest.TestCase):
    def test_what_stands_outside_of_functions_is_defined(self):
        self.assertEqual(CHECK.names_in(OUTBOX_CC), {"kText", "reserve", "Outbox::push", "Outbox::Outbox"})
        self.assertEqual(CHECK.names_in(OUTBOX_H), {
            "Outbox", "Outbox::kUsersMax", "Outbox::Push", "Outbox::Push::full", "Outbox::with", "Outbox::told",
            "Outbox::mutex_", "Outbox::waiting_"})

    def test_an_enum_defines_what_it_lists(self):
        self.assertEqual(CHECK.names_in("enum class State : int { kUp, kDown = 2 };"),
                         {"State", "State::kUp", "State::kDown"})

    def test_a_class_within_a_class(self):
        self.assertEqual(CHECK.names_in("struct Endpoint::Impl final : Base<int> { int find(Id id); };"),
                         {"Endpoint::Impl", "Endpoint::Impl::find"})


class Steps(unittest.TestCase):
    def refuse(self, tour, *wanted):
        self.assertEqual(breaches(tour), [f"docs/TOUR.md:{line}" for line in wanted])

    def allow(self, tour):
        self.assertEqual(breaches(tour), [])

    def test_a_step_names_what_its_file_defines(self):
        self.allow("# Tour\n\n1. `src/api/outbox.cc` `Outbox::push` `reserve`: in.\n2. `src/api/core.cc` `Core::send`: out.\n")
        self.allow("1. `src/api/outbox.h` `Outbox::with` and `Outbox::mutex_`: in.\n")

    def test_a_misspelt_function(self):
        self.refuse("1. `src/api/outbox.cc` `reserve`\n   `Outbox::psuh`: in.\n",
                    "2: src/api/outbox.cc does not define Outbox::psuh; the nearest name there is Outbox::push")

    def test_a_function_that_has_moved(self):
        self.refuse("\n1. `src/api/outbox.cc` `Core::send`: a call is no definition.\n",
                    "2: src/api/outbox.cc does not define Core::send, but src/api/core.cc does")

    def test_a_file_that_is_missing(self):
        self.refuse("1. `src/api/outbax.cc` `Outbox::push`: in.\n",
                    "1: there is no src/api/outbax.cc; the nearest is src/api/outbox.cc")

    def test_comments_and_texts_define_nothing(self):
        self.refuse("1. `src/api/outbox.h` `Outbox::forget`: out.\n2. `src/api/outbox.cc` `Outbox::sell`: out.\n",
                    "1: src/api/outbox.h does not define Outbox::forget; the nearest name there is Outbox::with",
                    "2: src/api/outbox.cc does not define Outbox::sell; the nearest name there is Outbox::push")

    def test_a_step_begins_with_a_file_and_a_name(self):
        rule = "1: a step begins with a file and the names that it defines, each in backticks"
        self.refuse("1. `Outbox::push` in `src/api/outbox.cc`.\n", rule)
        self.refuse("1. `src/api/outbox.cc`: it does `Outbox::push`.\n", rule)

    def test_steps_are_counted(self):
        self.refuse("1. `src/api/core.cc` `Core::send`: a.\n3. `src/api/core.cc` `Core::send`: b.\n",
                    "2: step 3 comes where step 2 is due")
        self.refuse("# Tour\n", "1: there are no steps")

    def test_names_in_the_text_are_anywhere(self):
        step = "1. `src/api/core.cc` `Core::send`: through `Outbox::push`, `kUsersMax`,\n   "
        self.allow(step + "`src/api/outbox.h` and `LimitExceeded`.\n")
        self.refuse(step + "`Outbox::pull`.\n", "2: nothing defines Outbox::pull; the nearest name is Outbox::push")
        self.refuse(step + "`src/api/core.h`.\n", "2: there is no src/api/core.h; the nearest is src/api/a_core.h")

    def test_drawings_are_free(self):
        self.allow("```\n`Outbox::pull`\n```\n1. `src/api/core.cc` `Core::send`: a.\n")

    def test_two_files_are_no_ping_pong(self):
        turns = ["`src/api/core.cc` `Core::send`: a.", "`src/api/outbox.cc` `reserve`: b."]
        steps = [f"{number + 1}. {turns[number % 2]}\n" for number in range(4)]
        self.allow("".join(steps[:3]))
        self.refuse("".join(steps),
                    "4: the steps go 3 times between src/api/core.cc and src/api/outbox.cc; at most 2")


class Tree(unittest.TestCase):
    def test_there_is_a_tour(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(CHECK.check_tour(pathlib.Path(folder)), (["there is no docs/TOUR.md"], 0))


if __name__ == "__main__":
    unittest.main()
