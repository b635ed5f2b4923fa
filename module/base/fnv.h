/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_FNV_H
#define POPINJAY_FNV_H

/* FNV-1a with 64 bits: a fast hash that sees every byte, which str_hash() does
   not. Who may choose the data can make hashes equal unless the start is a
   secret. */
#define POPINJAY_FNV_START UINT64_C(0xcbf29ce484222325)

/* Returns the hash of what gave the hash start, followed by data. */
static inline uint64_t
popinjay_fnv(uint64_t start, const void *data, size_t size)
{
	const unsigned char *p = data, *end = p + size;

	for (; p < end; p++)
		start = (start ^ *p) * UINT64_C(0x100000001b3);
	return start;
}

#endif
