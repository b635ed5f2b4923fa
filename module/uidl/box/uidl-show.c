/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any mail process: what has to be done before a client sees UIDLs, so that it
   sees the same ones ever after (RFC 1939 section 7). They are on disk before
   the first of them is sent, unless saving them fails: they are shown all the
   same then, and the log says so. */

#include "lib.h"
#include "mail-storage-private.h"
#include "popinjay-settings.h"
#include "uidl-box.h"
#include "uidl-save.h"
#include "uidl-show.h"
#include "uidl-shown.h"
#include "uidl.h"
#include "user.h"

static struct event_category event_category_popinjay = {
	.name = "popinjay"
};

/* --- The drift guard --- */

static unsigned int drift_limit(const struct popinjay_uidl_box *ubox)
{
	return ubox->user->set->popinjay_uidl_drift_limit;
}

static const char *
drift_text(const struct popinjay_uidl_drift_result *drift, unsigned int limit)
{
	return t_strdup_printf(
		"%u of %u messages that were shown before would have another "
		"UIDL, and be downloaded again (popinjay_uidl_drift_limit=%u)",
		drift->changed, drift->compared, limit);
}

static void
drift_log(struct mailbox *box, const struct popinjay_uidl_drift_result *drift,
	  unsigned int limit)
{
	struct event *event = event_create(box->event);

	event_add_category(event, &event_category_popinjay);
	event_set_name(event, "popinjay_uidl_refused");
	event_add_int(event, "compared", drift->compared);
	event_add_int(event, "changed", drift->changed);
	event_add_int(event, "limit", limit);
	e_error(event, "popinjay: UIDL refused: %s: doveadm popinjay uidl "
		"accept -u %s lets it through", drift_text(drift, limit),
		box->storage->user->username);
	event_unref(&event);
}

/* Returns 1, 0 if so much has changed that it is not to be shown, or -1 with
   the reason in error_r if that can't be told. shown_r gets what was shown
   before, or NULL. */
static int
drift_check(const struct popinjay_uidl_box *ubox,
	    const struct popinjay_uidl_set *set,
	    struct popinjay_uidl_drift_result *drift_r,
	    struct popinjay_uidl_drift **shown_r, const char **error_r)
{
	unsigned int limit = drift_limit(ubox);
	const char *error;
	bool damaged;
	int ret;

	*shown_r = NULL;
	i_zero(drift_r);
	if (limit == 0)
		return 1;
	ret = popinjay_uidl_shown_read(ubox->box, shown_r, &damaged, &error);
	if (ret < 0) {
		*error_r = t_strdup_printf("The UIDLs can't be compared with "
			"those that were shown before: %s", error);
		if (!damaged)
			return -1;
		/* it guards again from now on */
		e_error(ubox->box->event, "popinjay: %s", *error_r);
	}
	if (ret <= 0)
		return 1;
	popinjay_uidl_drift_compare(*shown_r, set, drift_r);
	drift_r->refused = popinjay_uidl_drift_exceeds(drift_r, limit);
	return drift_r->refused ? 0 : 1;
}

/* Remember what is shown now, if it is not what was shown before. */
static void
drift_remember(const struct popinjay_uidl_box *ubox,
	       const struct popinjay_uidl_set *set,
	       const struct popinjay_uidl_drift *shown)
{
	struct popinjay_uidl_drift *now;
	const char *error;

	if (drift_limit(ubox) == 0)
		return;
	now = popinjay_uidl_drift_create(set, shown);
	if ((shown == NULL || !popinjay_uidl_drift_equals(shown, now)) &&
	    popinjay_uidl_shown_write(ubox->box, now, &error) < 0) {
		e_error(ubox->box->event, "popinjay: What UIDLs are shown "
			"couldn't be remembered: %s", error);
	}
	popinjay_uidl_drift_free(&now);
}

int popinjay_uidl_shown_compare(struct popinjay_uidl_box *ubox,
				struct popinjay_uidl_drift_result *result_r,
				const char **error_r)
{
	const struct popinjay_uidl_set *set;
	struct popinjay_uidl_drift *shown;
	bool damaged;
	int ret;

	i_zero(result_r);
	ret = popinjay_uidl_shown_read(ubox->box, &shown, &damaged, error_r);
	if (ret <= 0)
		return ret;
	if (popinjay_uidl_box_get(ubox, &set) < 0) {
		*error_r = mailbox_get_last_internal_error(ubox->box, NULL);
		ret = -1;
	} else {
		popinjay_uidl_drift_compare(shown, set, result_r);
		result_r->refused = drift_limit(ubox) > 0 &&
			popinjay_uidl_drift_exceeds(result_r,
						    drift_limit(ubox));
	}
	popinjay_uidl_drift_free(&shown);
	return ret;
}

int popinjay_uidl_shown_accept(struct popinjay_uidl_box *ubox,
			       const char **error_r)
{
	const struct popinjay_uidl_set *set;
	struct popinjay_uidl_drift *shown, *now;
	bool damaged;
	int ret;

	if (popinjay_uidl_box_get(ubox, &set) < 0) {
		*error_r = mailbox_get_last_internal_error(ubox->box, NULL);
		return -1;
	}
	if (popinjay_uidl_shown_read(ubox->box, &shown, &damaged,
				     error_r) < 0 && !damaged)
		return -1;
	now = popinjay_uidl_drift_create(set, shown);
	ret = popinjay_uidl_shown_write(ubox->box, now, error_r);
	popinjay_uidl_drift_free(&now);
	popinjay_uidl_drift_free(&shown);
	return ret;
}

/* --- Showing --- */

/* Returns 0, or -1 with the mailbox's error set if the set is not to be shown.
   shown_r gets what was shown before, or NULL. */
static int show_check(struct popinjay_uidl_box *ubox,
		      const struct popinjay_uidl_set *set,
		      struct popinjay_uidl_drift **shown_r)
{
	struct mailbox *box = ubox->box;
	struct popinjay_uidl_drift_result drift;
	const char *error;
	int ret;

	ret = drift_check(ubox, set, &drift, shown_r, &error);
	if (ret > 0)
		return 0;
	popinjay_uidl_drift_free(shown_r);
	if (ret < 0) {
		e_error(box->event, "popinjay: UIDL refused: %s: repair that, "
			"or remove the file to let any UIDLs be shown", error);
		mail_storage_set_error(box->storage, MAIL_ERROR_TEMP,
				       "The UIDLs can't be compared");
	} else {
		drift_log(box, &drift, drift_limit(ubox));
		mail_storage_set_error(box->storage, MAIL_ERROR_TEMP,
				       "Too many UIDLs have changed");
	}
	return -1;
}

/* Save what the settings want. Returns 0 with the set that is to be shown, or
   -1 with the mailbox's error set. */
static int show_save(struct popinjay_uidl_box *ubox,
		     const struct popinjay_uidl_set **set)
{
	bool all = ubox->user->set->popinjay_uidl_save;
	const char *error = POPINJAY_UIDL_SAVE_TRIES_ERROR;
	unsigned int tries, count;
	int ret;

	for (tries = 0; tries < POPINJAY_UIDL_SAVE_MAX_TRIES; tries++) {
		if (tries > 0 && popinjay_uidl_box_get(ubox, set) < 0)
			return -1;
		ret = popinjay_uidl_save(ubox, *set, all, &count, &error);
		if (ret > 0)
			return 0;
		if (ret < 0)
			break;
	}
	e_log(ubox->box->event, all ? LOG_TYPE_ERROR : LOG_TYPE_WARNING,
	      "popinjay: %u UIDLs are shown that couldn't be saved: %s", count,
	      error);
	return popinjay_uidl_box_get(ubox, set);
}

int popinjay_uidl_show(struct popinjay_uidl_box *ubox,
		       const struct popinjay_uidl_set **set_r)
{
	struct popinjay_uidl_drift *shown;
	int ret;

	if (popinjay_uidl_box_get(ubox, set_r) < 0) {
		e_error(ubox->box->event,
			"popinjay: Looking up the UIDLs failed: %s",
			mailbox_get_last_internal_error(ubox->box, NULL));
		return -1;
	}
	if (ubox->shown)
		return 0;
	if (show_check(ubox, *set_r, &shown) < 0)
		return -1;
	ret = show_save(ubox, set_r);
	if (ret == 0) {
		drift_remember(ubox, *set_r, shown);
		ubox->shown = TRUE;
	}
	popinjay_uidl_drift_free(&shown);
	return ret;
}

int popinjay_uidl_save_all(struct popinjay_uidl_box *ubox,
			   unsigned int *count_r, const char **error_r)
{
	struct popinjay_uidl_drift_result drift;
	struct popinjay_uidl_drift *shown;
	const struct popinjay_uidl_set *set;
	unsigned int tries;
	int ret;

	for (tries = 0; tries < POPINJAY_UIDL_SAVE_MAX_TRIES; tries++) {
		if (popinjay_uidl_box_get(ubox, &set) < 0) {
			*error_r = mailbox_get_last_internal_error(ubox->box,
								   NULL);
			return -1;
		}
		if (tries == 0) {
			ret = drift_check(ubox, set, &drift, &shown, error_r);
			popinjay_uidl_drift_free(&shown);
			if (ret == 0) {
				*error_r = drift_text(&drift,
						      drift_limit(ubox));
			}
			if (ret <= 0)
				return -1;
		}
		ret = popinjay_uidl_save(ubox, set, TRUE, count_r, error_r);
		if (ret != 0) {
			popinjay_uidl_box_forget(ubox);
			return ret < 0 ? -1 : 0;
		}
	}
	*error_r = POPINJAY_UIDL_SAVE_TRIES_ERROR;
	return -1;
}
