// SPDX-License-Identifier: GPL-2.0-only
/* Makes the compiler emit BTF for all types that userspace shares; scripts/layout.ts reads it. This object is never
 * loaded: see wire.h. */
#define WIRE_VARIABLES
#include "events.h"
#include "guard.h"
#include "kernel.h"
#include "pressure.h"
#include "signals.h"
#include "tasks.h"
