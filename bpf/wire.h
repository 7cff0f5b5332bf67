// SPDX-License-Identifier: GPL-2.0-only
/* Marks the types that BPF programs and TypeScript share.
 *
 * scripts/layout.ts reads the layout from BTF, and the compiler emits BTF only for types that some symbol uses. Each
 * type that userspace needs is therefore marked where it is defined. In bpf/wire.bpf.c, an object that is compiled for
 * its BTF and never loaded, a mark declares a variable of the type; everywhere else it declares nothing. */
#pragma once

#ifdef WIRE_VARIABLES
#define WIRE_STRUCT(name) struct name wire_struct_##name = {}
#define WIRE_ENUM(name) enum name wire_enum_##name = 0
#else
#define WIRE_STRUCT(name) struct name
#define WIRE_ENUM(name) _Static_assert(sizeof(enum name) == 4, "BTF has 32 bits for a value of an enum")
#endif
