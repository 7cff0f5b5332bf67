// Reads small files of /proc and of cgroups, and finds the figures in their text.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

namespace oomscope {

constexpr double kUnknown = NAN;

// The text of a file from its beginning, ended by NUL. Room is the size of the buffer. Returns false if it cannot be read.
inline bool ReadText(int fd, char* buffer, size_t room) {
  ssize_t length = fd < 0 ? -1 : pread(fd, buffer, room - 1, 0);
  buffer[length < 0 ? 0 : length] = '\0';
  return length >= 0;
}

// Where the number of the line "name number" begins. The search begins at `from`; null: there is no such line.
inline const char* AfterName(const char* from, const char* name) {
  size_t length = strlen(name);
  for (const char* line = from; line != nullptr && *line != '\0';) {
    if (strncmp(line, name, length) == 0 && (line[length] == ' ' || line[length] == '\t'))
      return line + length + strspn(line + length, " \t");
    line = strchr(line, '\n');
    if (line != nullptr) line++;
  }
  return nullptr;
}

// The number at the beginning of a text; unknown if there is none.
inline double NumberAt(const char* text) {
  if (text == nullptr || *text < '0' || *text > '9') return kUnknown;
  return strtod(text, nullptr);
}

}  // namespace oomscope
