// SPDX-License-Identifier: GPL-2.0-only
/* The types of the wire, for scripts/layout.ts. Never loaded: see wire.h. */
#define WIRE_VARIABLES
#include "events.h"
#include "guard.h"
#include "kernel.h"
#include "pressure.h"
#include "tasks.h"
