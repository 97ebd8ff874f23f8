// The parts of the extension module.
#pragma once

#include <nanobind/nanobind.h>

namespace asr {

void bind_graph(nanobind::module_& module);
void bind_session(nanobind::module_& module);
void bind_text(nanobind::module_& module);

}  // namespace asr
