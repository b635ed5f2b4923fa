/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The auth process and doveadm: where the settings of secrets are, and how
   their dict is opened. */

#include "lib.h"
#include "dict-private.h"
#include "lib-event.h"
#include "secret-settings.h"
#ifdef POPINJAY_HAVE_SETTINGS_GET
#  include "settings.h"
#endif

#define FILTER_NAME "popinjay_secret"

#ifdef POPINJAY_HAVE_SETTINGS_GET

int popinjay_secret_settings_get(struct event *event,
				 const struct popinjay_secret_settings **set_r,
				 const char **error_r)
{
	struct event *child = event_create(event);
	int ret;

	settings_event_add_filter_name(child, FILTER_NAME);
	ret = settings_get(child, &popinjay_secret_setting_parser_info, 0,
			   set_r, error_r);
	event_unref(&child);
	return ret < 0 ? -1 : 1;
}

void popinjay_secret_settings_free(const struct popinjay_secret_settings **set)
{
	settings_free(*set);
}

#else

int popinjay_secret_settings_get(struct event *event ATTR_UNUSED,
				 const struct popinjay_secret_settings **set_r,
				 const char **error_r ATTR_UNUSED)
{
	*set_r = NULL;
	return 0;
}

void popinjay_secret_settings_free(const struct popinjay_secret_settings **set)
{
	i_assert(*set == NULL);
}

#endif

#ifdef POPINJAY_HAVE_DICT_INIT_AUTO

int popinjay_secret_dict_init(const char *uri ATTR_UNUSED,
			      const char *base_dir ATTR_UNUSED,
			      struct event *event, struct dict **dict_r,
			      const char **error_r)
{
	struct event *child = event_create(event);
	const char *error;
	int ret;

	settings_event_add_filter_name(child, FILTER_NAME);
	ret = dict_init_auto(child, dict_r, &error);
	event_unref(&child);
	if (ret <= 0) {
		*error_r = t_strdup_printf(FILTER_NAME": %s", error);
		return -1;
	}
	return 0;
}

#else

int popinjay_secret_dict_init(const char *uri, const char *base_dir,
			      struct event *event, struct dict **dict_r,
			      const char **error_r)
{
	struct dict_settings set;

	i_zero(&set);
#ifndef POPINJAY_HAVE_DICT_OP_SETTINGS
	/* later it is in the settings of each operation */
	set.username = "";
#endif
	set.base_dir = base_dir;
	set.event_parent = event;
	return dict_init(uri, &set, dict_r, error_r);
}

#endif

/* dict_deinit() wants that nothing is under way, and dict_wait() may wait for a
   minute. But the driver's own end does this for its connection. */
void popinjay_secret_dict_abort(struct dict **_dict)
{
	struct dict *dict = *_dict;
	struct event *event;

	if (dict == NULL || strcmp(dict->name, "proxy") != 0)
		return;
	*_dict = NULL;
	event = dict->event;
	dict->v.deinit(dict);
	event_unref(&event);
}
