/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Preloaded into an auth process by tests: each time it opens or makes a seal,
   and each time it computes a slow hash, a byte goes into the file that
   COUNT_CRYPTO names. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

static void count(const char *what)
{
	const char *path = getenv("COUNT_CRYPTO");
	int fd = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND);

	if (fd == -1 || write(fd, what, 1) != 1)
		abort();
	close(fd);
}

int EVP_CipherInit_ex(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *type, ENGINE *impl,
		      const unsigned char *key, const unsigned char *iv,
		      int enc)
{
	static int (*next)(EVP_CIPHER_CTX *, const EVP_CIPHER *, ENGINE *,
			   const unsigned char *, const unsigned char *, int);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "EVP_CipherInit_ex");
	count("s");
	return next(ctx, type, impl, key, iv, enc);
}

int PKCS5_PBKDF2_HMAC(const char *pass, int passlen, const unsigned char *salt,
		      int saltlen, int iter, const EVP_MD *digest, int keylen,
		      unsigned char *out)
{
	static int (*next)(const char *, int, const unsigned char *, int, int,
			   const EVP_MD *, int, unsigned char *);

	if (next == NULL)
		*(void **)&next = dlsym(RTLD_NEXT, "PKCS5_PBKDF2_HMAC");
	count("h");
	return next(pass, passlen, salt, saltlen, iter, digest, keylen, out);
}
