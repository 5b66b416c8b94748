#include "line_editor.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <deque>
#include <string_view>

#include "failure.h"

namespace {

constexpr int kHistoryLines = 500;
// So long a key that sends several bytes may take from one to the next.
constexpr int kKeyPatienceMs = 50;
// Ctrl-^: takes the line off the screen and draws it again.
constexpr wchar_t kRedraw = 0x1e;
constexpr wchar_t kEndOfFile = 0x04;

volatile std::sig_atomic_t window_changed = 0;
volatile std::sig_atomic_t stop_asked = 0;
volatile std::sig_atomic_t continued = 0;

void on_signal(int signal) {
  if (signal == SIGWINCH) window_changed = 1;
  if (signal == SIGTSTP) stop_asked = 1;
  if (signal == SIGCONT) continued = 1;
}

constexpr std::array<int, 3> kSignals = {SIGWINCH, SIGTSTP, SIGCONT};

// No SA_RESTART: the main loop's poll() returns at once.
void catch_signals(bool on) {
  for (const int signal : kSignals) {
    struct sigaction action {};
    action.sa_handler = on ? on_signal : SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
}

// What terminals speak today, where the environment says nothing or "C".
void set_character_type() {
  if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
  }
}

// RFC 3629 section 3.
void append_utf8(std::string& text, char32_t code) {
  const auto put = [&text](char32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | code >> 6);
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

}  // namespace

struct LineEditor::Inside {
  Inside();
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  static Inside& of(EditLine* editor);
  static int give_character(EditLine* editor, wchar_t* character);
  static wchar_t* prompt(EditLine* editor);
  void bind_keys();
  bool read_bytes();
  std::optional<wchar_t> decode_byte();
  void step();
  void look_at_line();
  void take_line(std::wstring_view text);
  void put_away();

  EditLine* editor = nullptr;
  HistoryW* history = nullptr;
  std::string bytes;  // read, and not yet given to the editor
  std::mbstate_t decoding{};
  std::deque<std::string> lines;
  wchar_t injected = 0;    // comes before what was typed
  wchar_t last_given = 0;  // to the editor
  bool hidden = false;
  bool closed = false;
  // What was typed so far, while it is off the screen.
  std::wstring put_aside;
  int cursor = 0;
};

LineEditor::Inside& LineEditor::Inside::of(EditLine* editor) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  return *static_cast<Inside*>(data);
}

wchar_t* LineEditor::Inside::prompt(EditLine* editor) {
  static std::wstring shown = L"> ", none;
  return of(editor).hidden ? none.data() : shown.data();
}

// 1, or 0 where a key's further bytes do not come.
int LineEditor::Inside::give_character(EditLine* editor, wchar_t* character) {
  Inside& self = of(editor);
  *character = self.injected;
  self.injected = 0;
  while (*character == 0) {
    if (self.bytes.empty()) {
      pollfd input{STDIN_FILENO, POLLIN, 0};
      if (::poll(&input, 1, kKeyPatienceMs) <= 0 || !self.read_bytes()) return 0;
    }
    *character = self.decode_byte().value_or(0);
  }
  self.last_given = *character;
  return 1;
}

bool LineEditor::Inside::read_bytes() {
  std::array<char, 4096> chunk;
  const ssize_t size = ::read(STDIN_FILENO, chunk.data(), chunk.size());
  if (size > 0) bytes.append(chunk.data(), static_cast<std::size_t>(size));
  if (size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN)) closed = true;
  return size > 0;
}

// Nothing while a character is not whole yet.
std::optional<wchar_t> LineEditor::Inside::decode_byte() {
  const char byte = bytes.front();
  bytes.erase(0, 1);
  wchar_t character = 0;
  const std::size_t used = std::mbrtowc(&character, &byte, 1, &decoding);
  if (used == static_cast<std::size_t>(-2)) return std::nullopt;
  if (used != static_cast<std::size_t>(-1)) return character;
  decoding = {};
  return L'?';
}

void LineEditor::Inside::bind_keys() {
  struct Binding {
    const char* key;
    const char* what;
  };
  // The keys of the terminals of today, where terminfo says something else; Ctrl-V would wait for
  // the next key.
  constexpr std::array<Binding, 12> kBindings = {{{"\\036", "ed-redisplay"},
                                                  {"\\026", "ed-unassigned"},
                                                  {"\\011", "ed-insert"},
                                                  {"\\033[3~", "ed-delete-next-char"},
                                                  {"\\033[H", "ed-move-to-beg"},
                                                  {"\\033[1~", "ed-move-to-beg"},
                                                  {"\\033[F", "ed-move-to-end"},
                                                  {"\\033[4~", "ed-move-to-end"},
                                                  {"\\033[1;5C", "em-next-word"},
                                                  {"\\033[1;5D", "ed-prev-word"},
                                                  {"\\033x", "ed-unassigned"},
                                                  {"\\033X", "ed-unassigned"}}};
  el_set(editor, EL_EDITOR, "emacs");
  for (const auto& [key, what] : kBindings) el_set(editor, EL_BIND, key, what, nullptr);
}

LineEditor::Inside::Inside() {
  set_character_type();
  std::fflush(stdout);
  editor = el_init("whimbrel", stdin, stdout, stderr);
  history = history_winit();
  if (editor == nullptr || history == nullptr) throw Failure("can't edit lines on this terminal");
  HistEventW ignored{};
  history_w(history, &ignored, H_SETSIZE, kHistoryLines);
  el_set(editor, EL_CLIENTDATA, this);
  el_wset(editor, EL_HIST, history_w, history);
  el_wset(editor, EL_PROMPT, &Inside::prompt);
  el_wset(editor, EL_GETCFN, &Inside::give_character);
  bind_keys();
  catch_signals(true);
  el_set(editor, EL_UNBUFFERED, 1);
}

LineEditor::Inside::~Inside() {
  const LineInfoW* line = el_wline(editor);
  // What is half typed can still be read.
  if (!hidden && line->buffer == line->lastchar) put_away();
  if (!hidden) std::fputs("\n", stdout);
  std::fflush(stdout);
  el_set(editor, EL_UNBUFFERED, 0);
  catch_signals(false);
  el_end(editor);
  history_wend(history);
}

// One key, and what it led to.
void LineEditor::Inside::step() {
  int ignored = 0;
  el_wgets(editor, &ignored);
  look_at_line();
}

void LineEditor::Inside::look_at_line() {
  const LineInfoW* line = el_wline(editor);
  const std::wstring text(line->buffer, line->lastchar);
  if (text.empty()) return;
  if (text.back() == L'\n' || text.back() == L'\r') return take_line(text);
  if (text.back() != kEndOfFile) return;
  el_deletestr(editor, 1);
  // The editor says the same where it waited for another key in vain.
  if (text.size() == 1 && last_given == kEndOfFile) closed = true;
}

void LineEditor::Inside::take_line(std::wstring_view text) {
  text.remove_suffix(1);
  std::string& line = lines.emplace_back();
  for (const wchar_t character : text) append_utf8(line, static_cast<char32_t>(character));
  HistEventW ignored{};
  if (!text.empty()) history_w(history, &ignored, H_ENTER, std::wstring(text).c_str());
  // So the editor begins the next line.
  el_set(editor, EL_UNBUFFERED, 0);
  el_set(editor, EL_UNBUFFERED, 1);
}

void LineEditor::Inside::put_away() {
  const LineInfoW* line = el_wline(editor);
  put_aside.assign(line->buffer, line->lastchar);
  cursor = static_cast<int>(line->cursor - line->buffer);
  const int size = static_cast<int>(put_aside.size());
  el_cursor(editor, size - cursor);
  el_deletestr(editor, size);
  hidden = true;
  injected = kRedraw;
  int ignored = 0;
  el_wgets(editor, &ignored);
}

bool LineEditor::possible() {
  const char* kind = std::getenv("TERM");
  return kind != nullptr && *kind != '\0' && std::string_view(kind) != "dumb" &&
         ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

LineEditor::LineEditor() : inside_(std::make_unique<Inside>()) {}

LineEditor::~LineEditor() = default;

void LineEditor::read_some() {
  show();
  if (!inside_->read_bytes()) return;
  while (!inside_->bytes.empty() && !inside_->closed) inside_->step();
}

std::optional<std::string> LineEditor::next() {
  if (inside_->lines.empty()) return std::nullopt;
  std::string line = std::move(inside_->lines.front());
  inside_->lines.pop_front();
  return line;
}

bool LineEditor::ended() const { return inside_->closed && inside_->lines.empty(); }

void LineEditor::hide() {
  if (!inside_->hidden) inside_->put_away();
}

void LineEditor::show() {
  Inside& in = *inside_;
  if (!in.hidden) return;
  in.hidden = false;
  el_winsertstr(in.editor, in.put_aside.c_str());
  el_cursor(in.editor, in.cursor - static_cast<int>(in.put_aside.size()));
  el_set(in.editor, EL_REFRESH);
}

void LineEditor::obey_signals() {
  if (window_changed == 0 && stop_asked == 0 && continued == 0) return;
  hide();
  if (stop_asked != 0) {
    el_set(inside_->editor, EL_PREP_TERM, 0);
    catch_signals(false);
    ::raise(SIGTSTP);
    catch_signals(true);
  } else if (continued != 0) {
    el_set(inside_->editor, EL_PREP_TERM, 0);
  }
  window_changed = 0;
  stop_asked = 0;
  continued = 0;
  el_set(inside_->editor, EL_PREP_TERM, 1);
  el_resize(inside_->editor);
  show();
}
