/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* -log-config: what is left of an address and of a user's name. */

#include "lib.h"
#include "net.h"
#include "access-log-config.h"
#include "cases.h"

#include <glib.h>

struct cut_case {
	const char *path, *value, *cut;
};

static const struct cut_case ip_cases[] = {
	{ "ipv4", "192.0.2.77", "192.0.2.0/24" },
	{ "ipv4-edge", "192.0.2.255", "192.0.2.0/24" },
	{ "ipv4-mapped", "::ffff:192.0.2.77", "192.0.2.0/24" },
	{ "ipv6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64" },
	{ "ipv6-edge", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
	  "2001:db8:ffff:ffff::/64" },
	{ "ipv6-loopback", "::1", "::/64" },
	{ "ipv6-link-local", "fe80::aabb:ccff:fedd:eeff", "fe80::/64" }
};

static void test_ip(gconstpointer data)
{
	const struct cut_case *test = data;
	struct popinjay_access_log_config config;
	struct ip_addr ip;

	i_zero(&config);
	g_assert_cmpint(net_addr2ip(test->value, &ip), ==, 0);
	g_assert_cmpstr(popinjay_anonymize_ip(&config, &ip), ==,
			net_ip2addr(&ip));
	config.ip = POPINJAY_ANONYMIZE_CUT;
	g_assert_cmpstr(popinjay_anonymize_ip(&config, &ip), ==, test->cut);
}

static const struct cut_case user_cases[] = {
	{ "domain", "alice@example.com", "@example.com" },
	{ "two-at", "a@b@example.com", "@example.com" },
	{ "no-domain", "alice", NULL }
};

static void test_user(gconstpointer data)
{
	const struct cut_case *test = data;
	struct popinjay_access_log_config config;

	i_zero(&config);
	g_assert_cmpstr(popinjay_anonymize_user(&config, test->value), ==,
			test->value);
	config.user = POPINJAY_ANONYMIZE_CUT;
	g_assert_cmpstr(popinjay_anonymize_user(&config, test->value), ==,
			test->cut);
}

static void test_none(void)
{
	struct popinjay_access_log_config config;
	struct ip_addr ip;

	i_zero(&config);
	i_zero(&ip);
	config.ip = config.user = POPINJAY_ANONYMIZE_CUT;
	g_assert_null(popinjay_anonymize_ip(&config, NULL));
	g_assert_null(popinjay_anonymize_ip(&config, &ip));
	g_assert_null(popinjay_anonymize_user(&config, NULL));
}

int main(int argc, char *argv[])
{
	int ret;

	lib_init();
	g_test_init(&argc, &argv, NULL);
	ADD_CASES("/anonymize/ip/", ip_cases, test_ip);
	ADD_CASES("/anonymize/user/", user_cases, test_user);
	g_test_add_func("/anonymize/none", test_none);
	ret = g_test_run();
	lib_deinit();
	return ret;
}
