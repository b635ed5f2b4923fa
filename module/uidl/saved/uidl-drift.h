/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef POPINJAY_UIDL_DRIFT_H
#define POPINJAY_UIDL_DRIFT_H

/* The fingerprint of what a mailbox last showed: for a sample of its messages,
   a hash of the key (see uidl.h) and one of the UIDL. The sample is of those
   messages whose keys have the lowest hashes, so that it stays the same as
   others come and go, and all are in it while there are not more than
   POPINJAY_UIDL_DRIFT_SAMPLE. The file is

       popinjay-uidl-shown 1 COUNT
       KEYHASH UIDLHASH
       ...

   with hashes as 8 hex digits. */

#define POPINJAY_UIDL_DRIFT_SAMPLE 1000

struct popinjay_uidl_drift;
struct popinjay_uidl_set;

/* Messages that were shown before and are still there. */
struct popinjay_uidl_drift_result {
	/* how many of them were compared */
	unsigned int compared;
	/* how many of these would be shown with another UIDL */
	unsigned int changed;
	/* changed is above the limit: UIDL is refused */
	bool refused;
};

/* Returns the fingerprint of a resolved set that is shown after what shown is
   of, which is NULL if nothing was. Messages without key and those that could
   not be read do not count: of the latter, what shown has of them stays. */
struct popinjay_uidl_drift *
popinjay_uidl_drift_create(const struct popinjay_uidl_set *set,
			   const struct popinjay_uidl_drift *shown);
/* Parse the text of a file. Returns 0, or -1 if it is not valid. */
int popinjay_uidl_drift_parse(const void *data, size_t size,
			      struct popinjay_uidl_drift **drift_r);
/* Free it and set *drift to NULL. Does nothing if it is NULL. */
void popinjay_uidl_drift_free(struct popinjay_uidl_drift **drift);

/* Append the text of the file to dest. */
void popinjay_uidl_drift_write(const struct popinjay_uidl_drift *drift,
			       string_t *dest);

/* Returns TRUE if both are of the same messages with the same UIDLs. */
bool popinjay_uidl_drift_equals(const struct popinjay_uidl_drift *drift1,
				const struct popinjay_uidl_drift *drift2);

/* Compare what a set would show with what was shown, of messages that can be
   read. */
void popinjay_uidl_drift_compare(const struct popinjay_uidl_drift *shown,
				 const struct popinjay_uidl_set *set,
				 struct popinjay_uidl_drift_result *result_r);

/* Returns TRUE if more than limit percent of what was compared has changed. */
bool
popinjay_uidl_drift_exceeds(const struct popinjay_uidl_drift_result *result,
			    unsigned int limit);

#endif
