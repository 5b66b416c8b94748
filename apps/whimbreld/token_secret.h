// The secret that a game's backend and this server share, for tokens of HS256.
#pragma once

#include <functional>
#include <string>

#include "rendezvous/backend_token.h"

// A text (UTF-8 without control characters other than newlines and tabs) may end with one newline,
// LF or CRLF, which is no part of the secret: editors, echo and "openssl rand -hex 32" write one,
// and backends rarely have it. `warn` hears of it. Bytes that are no text are the secret as they
// are: a byte there is as likely a newline as any. Throws std::runtime_error: what lies there, and
// what is wanted.
whimbrel::rendezvous::Hs256Key read_token_secret(
    const std::string& path, const std::function<void(const std::string& text)>& warn);
