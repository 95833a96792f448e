/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/password.h"
#include "unit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static bool verify(const char *hash, const char *password)
{
    struct err err;
    bool right = true;

    if (password_verify(&right, hash, span_of(password), &err) != 0)
        fail_msg("%s", err.message);
    return right;
}

static void test_round_trip(void **state)
{
    char one[PASSWORD_HASH_SIZE];
    char two[PASSWORD_HASH_SIZE];
    struct err err;
    (void)state;

    assert_int_equal(password_hash(one, span_of("correct horse"), &err), 0);
    assert_int_equal(password_hash(two, span_of("correct horse"), &err), 0);
    assert_int_equal(strncmp(one, "$scrypt$ln=15,r=8,p=3$", 22), 0);
    assert_null(strchr(one + 22, '='));
    assert_string_not_equal(one, two);
    assert_true(verify(one, "correct horse"));
    assert_true(verify(two, "correct horse"));
    assert_false(verify(one, "correct horsf"));
    assert_false(verify(one, "correct horse "));
    assert_false(verify(one, ""));
    assert_false(verify(NULL, "correct horse"));
}

/* Other parameters than today's, as an older or newer program stored them; made with Python:
 * hashlib.scrypt(b"an old password", salt=bytes(range(16)), n=1024, r=8, p=1, dklen=32). */
static void test_stored_parameters(void **state)
{
    static const char old[] =
        "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$5TwZ81zfwUNokDqlorayQkh9V4Sygt2RoeERm95Gsyk";
    (void)state;

    assert_true(verify(old, "an old password"));
    assert_false(verify(old, "another password"));
}

static void test_damaged(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "$scrypt$",
        "$scrypt$ln=10,r=8,p=1",
        "$scrypt$ln=10,r=8,p=1$",
        "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw",
        "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$",
        "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODw",
        "$scrypt$ln=10,r=8,p=1$AAEC$AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8",
        "$scrypt$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0OD!$AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8",
        "$argon2$ln=10,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8",
        /* More memory than a sign-in may take. */
        "$scrypt$ln=20,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODwABAgMEBQYHCAkKCwwNDg8",
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err;
        bool right = true;
        assert_int_equal(password_verify(&right, bad[i], span_of("x"), &err), -1);
        assert_int_equal(err.status, 500);
        assert_false(right);
    }
}

enum { CROWD = 24 };

struct one_of_many {
    pthread_t thread;
    int rc;
    bool right;
    struct err err;
};

static void *come(void *arg)
{
    struct one_of_many *o = arg;

    o->rc = password_verify(&o->right, NULL, span_of("password"), &o->err);
    return NULL;
}

/* More than may be inside and wait: some are sent away at once, and afterwards all is as before. */
static void test_crowd(void **state)
{
    static struct one_of_many crowd[CROWD];
    size_t served = 0;
    (void)state;

    for (size_t i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, come, &crowd[i]), 0);
    for (size_t i = 0; i < CROWD; i++) {
        assert_int_equal(pthread_join(crowd[i].thread, NULL), 0);
        assert_false(crowd[i].right);
        served += crowd[i].rc == 0;
        if (crowd[i].rc != 0) {
            assert_int_equal(crowd[i].err.status, 503);
            assert_true(crowd[i].err.retry_after_s > 0);
        }
    }
    assert_true(served >= PASSWORD_AT_ONCE + PASSWORD_WAITING_MAX);
    assert_false(verify(NULL, "password"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_stored_parameters),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
