// `whimbreld`: the server.
#include <cstdio>

#include "settings.h"

int main() {
  std::fputs(settings_text(Settings{}).c_str(), stdout);
  return 0;
}
