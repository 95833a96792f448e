/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "base/conf.h"
#include "base/err.h"
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static char path[] = "/tmp/test_conf.XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd >= 0 ? close(fd) : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* Each test begins without AIG_ variables. */
static int clean_environment(void **state)
{
    (void)state;
    for (size_t i = 0; environ[i] != NULL;) {
        if (strncmp(environ[i], "AIG_", 4) == 0) {
            char name[128];
            snprintf(name, sizeof(name), "%.*s", (int)strcspn(environ[i], "="), environ[i]);
            unsetenv(name);
            i = 0;
        } else {
            i++;
        }
    }
    return 0;
}

static void write_file_bytes(const char *text, size_t len)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* The configuration of this file; it must be valid. */
static struct conf *loaded(const char *text)
{
    struct conf *c = NULL;
    struct err err;
    err_clear(&err);
    write_file_bytes(text, strlen(text));
    if (conf_load(&c, path, &err) != 0) {
        fail_msg("%s", err.message);
    }
    return c;
}

/* The file must be refused with "<path><message>", or a message that contains it. */
static void refused(const char *text, const char *message)
{
    struct conf *c = NULL;
    struct err err;
    err_clear(&err);
    write_file_bytes(text, strlen(text));
    assert_int_equal(conf_load(&c, path, &err), -1);
    assert_null(c);
    if (message[0] == ':') {
        char full[ERR_MESSAGE_MAX];
        snprintf(full, sizeof(full), "%s%s", path, message);
        assert_string_equal(err.message, full);
    } else if (strstr(err.message, message) == NULL) {
        fail_msg("'%s' does not contain '%s'", err.message, message);
    }
}

static void defaults(void **state)
{
    (void)state;
    struct conf *c = loaded("");
    assert_null(c->secret_key);
    assert_int_equal(c->db_host_count, 1);
    assert_string_equal(c->db_hosts[0], "localhost");
    assert_int_equal(c->db_port, 3306);
    assert_null(c->db_socket);
    assert_string_equal(c->db_user, "aigenerate");
    assert_null(c->db_password);
    assert_string_equal(c->db_name, "aigenerate");
    assert_int_equal(c->db_pool, 8);
    assert_string_equal(c->url[PROVIDER_OPENAI], "https://api.openai.com");
    assert_string_equal(c->url[PROVIDER_ANTHROPIC], "https://api.anthropic.com");
    assert_string_equal(c->url[PROVIDER_GOOGLE], "https://generativelanguage.googleapis.com");
    assert_string_equal(c->url[PROVIDER_OPENROUTER], "https://openrouter.ai/api");
    assert_string_equal(c->url[PROVIDER_KIE], "https://api.kie.ai");
    assert_string_equal(c->url[PROVIDER_RECRAFT], "https://external.api.recraft.ai");
    assert_string_equal(c->url[PROVIDER_MUREKA], "https://api.mureka.ai");
    assert_string_equal(c->url[PROVIDER_REPLICATE], "https://api.replicate.com");
    for (size_t i = 0; i < PROVIDER__COUNT; i++) {
        assert_null(c->key[i]);
    }
    assert_null(c->kie_webhook_key);
    assert_string_equal(c->stripe_url, "https://api.stripe.com");
    assert_null(c->stripe_key);
    assert_null(c->stripe_webhook_key);
    assert_null(c->public_url);
    assert_null(c->mail_url);
    assert_null(c->mail_from);
    assert_string_equal(c->spool_dir, AIG_SPOOL_DIR);
    assert_int_equal(c->threads, 256);
    assert_int_equal(c->threads_reserved, 8);
    assert_int_equal(c->max_body, 32 * 1024 * 1024);
    assert_int_equal(c->connect_timeout_ms, 5000);
    assert_int_equal(c->first_byte_timeout_ms, 120000);
    assert_int_equal(c->idle_timeout_ms, 120000);
    assert_int_equal(c->max_call_time_ms, 3600000);
    assert_false(c->allow_private_webhooks);
    assert_int_equal(c->log_level, LOG_LEVEL_INFO);
    conf_free(c);
    conf_free(NULL);
}

static void every_key(void **state)
{
    (void)state;
    struct conf *c = loaded("# comment\n"
                            "  # another\n"
                            "\n"
                            "secret_key = 0123456789abcdef0123456789abcdef\n"
                            "db_host=db1, db2 ,db3\n"
                            "db_port = 3307\r\n"
                            "\tdb_socket\t=\t/run/my socket.sock \n"
                            "db_user = u\ndb_password = p#= q\ndb_name = n\ndb_pool = 3\n"
                            "openai_url = http://127.0.0.1:9000/\nopenai_key = k1\n"
                            "anthropic_url = https://a.example/x//\nanthropic_key = k2\n"
                            "google_key = k3\nopenrouter_key = k4\nkie_key = k5\nrecraft_key = k6\n"
                            "mureka_key = k7\nreplicate_key = k8\nkie_webhook_key = w\n"
                            "google_url = http://g\nopenrouter_url = http://o/api\n"
                            "kie_url = http://k\nrecraft_url = http://r\nmureka_url = http://m\n"
                            "replicate_url = http://[::1]:80\n"
                            "stripe_url = http://s/\nstripe_key = sk\nstripe_webhook_key = whsec\n"
                            "public_url = https://ai.example.org\nmail_url = smtp://localhost:25\n"
                            "mail_from = a@example.org\nspool_dir = /tmp/spool\n"
                            "threads = 16\nthreads_reserved = 2\nmax_body = 64K\n"
                            "connect_timeout = 0.5\nfirst_byte_timeout = .25\n"
                            "idle_timeout = 1.0009\nmax_call_time = 7\n"
                            "allow_private_webhooks = yes\nlog_level = debug");
    assert_string_equal(c->secret_key, "0123456789abcdef0123456789abcdef");
    assert_int_equal(c->db_host_count, 3);
    assert_string_equal(c->db_hosts[0], "db1");
    assert_string_equal(c->db_hosts[1], "db2");
    assert_string_equal(c->db_hosts[2], "db3");
    assert_int_equal(c->db_port, 3307);
    assert_string_equal(c->db_socket, "/run/my socket.sock");
    assert_string_equal(c->db_user, "u");
    assert_string_equal(c->db_password, "p#= q");
    assert_string_equal(c->db_name, "n");
    assert_int_equal(c->db_pool, 3);
    assert_string_equal(c->url[PROVIDER_OPENAI], "http://127.0.0.1:9000");
    assert_string_equal(c->url[PROVIDER_ANTHROPIC], "https://a.example/x");
    assert_string_equal(c->url[PROVIDER_GOOGLE], "http://g");
    assert_string_equal(c->url[PROVIDER_OPENROUTER], "http://o/api");
    assert_string_equal(c->url[PROVIDER_KIE], "http://k");
    assert_string_equal(c->url[PROVIDER_RECRAFT], "http://r");
    assert_string_equal(c->url[PROVIDER_MUREKA], "http://m");
    assert_string_equal(c->url[PROVIDER_REPLICATE], "http://[::1]:80");
    static const char *const keys[PROVIDER__COUNT] = {"k1", "k2", "k3", "k4",
                                                      "k5", "k6", "k7", "k8"};
    for (size_t i = 0; i < PROVIDER__COUNT; i++) {
        assert_string_equal(c->key[i], keys[i]);
    }
    assert_string_equal(c->kie_webhook_key, "w");
    assert_string_equal(c->stripe_url, "http://s");
    assert_string_equal(c->stripe_key, "sk");
    assert_string_equal(c->stripe_webhook_key, "whsec");
    assert_string_equal(c->public_url, "https://ai.example.org");
    assert_string_equal(c->mail_url, "smtp://localhost:25");
    assert_string_equal(c->mail_from, "a@example.org");
    assert_string_equal(c->spool_dir, "/tmp/spool");
    assert_int_equal(c->threads, 16);
    assert_int_equal(c->threads_reserved, 2);
    assert_int_equal(c->max_body, 65536);
    assert_int_equal(c->connect_timeout_ms, 500);
    assert_int_equal(c->first_byte_timeout_ms, 250);
    assert_int_equal(c->idle_timeout_ms, 1000);
    assert_int_equal(c->max_call_time_ms, 7000);
    assert_true(c->allow_private_webhooks);
    assert_int_equal(c->log_level, LOG_LEVEL_DEBUG);
    conf_free(c);
}

static void empty_values_are_the_default(void **state)
{
    (void)state;
    struct conf *c = loaded("db_user =\ndb_password = \nthreads=\nopenai_url =\nopenai_key=\n");
    assert_string_equal(c->db_user, "aigenerate");
    assert_null(c->db_password);
    assert_int_equal(c->threads, 256);
    assert_string_equal(c->url[PROVIDER_OPENAI], "https://api.openai.com");
    assert_null(c->key[PROVIDER_OPENAI]);
    conf_free(c);
}

static void mistakes_name_file_and_line(void **state)
{
    (void)state;
    refused("dbhost = x\n", ":1: unknown key 'dbhost'");
    refused("# one\n\nthreads = 4\nnonsense\n", ":4: expected 'key = value'");
    refused("\nthreads = many\n", ":2: threads must be a number from 1 to 4096");
    refused("threads = 5\nthreads = 6\n", ":2: threads is set twice, first in line 1");
    refused("DB_HOST = x\n", ":1: unknown key 'DB_HOST'");
    refused(" = x\n", ":1: unknown key ''");
    refused("log_level = loud\n", ":1: log_level must be error, warn, info or debug");
    refused("allow_private_webhooks = maybe\n", ":1: allow_private_webhooks must be yes or no");
    refused("AIG_CONFIG = /x\n", "unknown key 'AIG_CONFIG'");
}

static void numbers_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "threads = 0",
        "threads = 4097",
        "threads = -1",
        "threads = 4x",
        "threads = 4.0",
        "threads = 99999999999999999999",
        "db_port = 0",
        "db_port = 65536",
        "db_pool = 0",
        "max_body = 1023",
        "max_body = 1025M",
        "max_body = 32G",
        "max_body = 32MB",
        "max_body = M",
        "max_body = 9223372036854775807K",
        "max_body = 1.5M",
        "connect_timeout = 0",
        "connect_timeout = 0.0001",
        "connect_timeout = -1",
        "connect_timeout = 1e3",
        "connect_timeout = 5s",
        "connect_timeout = .",
        "connect_timeout = 1.",
        "connect_timeout = 3601",
        "connect_timeout = nan",
        "connect_timeout = 99999999999999999999",
        "connect_timeout = 1,5",
        "max_call_time = 9223372036854775807",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        refused(bad[i], " must be a number");
    }
    struct conf *c = loaded("threads = 4096\ndb_port = 65535\nmax_body = 1024\n"
                            "connect_timeout = 0.001\nmax_call_time = 0.0019\n");
    assert_int_equal(c->threads, 4096);
    assert_int_equal(c->max_body, 1024);
    assert_int_equal(c->connect_timeout_ms, 1);
    assert_int_equal(c->max_call_time_ms, 1);
    conf_free(c);
    c = loaded("max_body = 1024m\n");
    assert_int_equal(c->max_body, 1024 * 1024 * 1024);
    conf_free(c);
}

static void reserved_threads(void **state)
{
    (void)state;
    struct conf *c = loaded("threads = 1\n");
    assert_int_equal(c->threads_reserved, 0);
    conf_free(c);
    c = loaded("threads = 1\nthreads_reserved = 50\n");
    assert_int_equal(c->threads_reserved, 0);
    conf_free(c);
    c = loaded("threads = 9\n");
    assert_int_equal(c->threads_reserved, 8);
    conf_free(c);
    refused("threads = 8\n", "threads_reserved (8) must be less than threads (8)");
    refused("threads_reserved = 256\n", "threads_reserved (256) must be less than threads (256)");
}

static void urls_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "api.openai.com",     "ftp://x",    "http://",      "https:///x", "HTTP://x",
        "http:// x",          "http://x y", "http://x?a=b", "http://x#f", "smtp://localhost",
        "file:///etc/passwd", "http:/x",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char line[128];
        snprintf(line, sizeof(line), "openai_url = %s\n", bad[i]);
        refused(line, ":1: openai_url must be a URL that begins with http:// or https:// and has "
                      "no query");
    }
    refused("mail_url = localhost:25\n", "mail_url must be a URL that begins with smtp://");
    refused("mail_url = https://mail.example.org\n",
            "mail_url must be a URL that begins with smtp");
    refused("mail_from = nobody\n", "mail_from must be an e-mail address");
    refused("mail_from = A <a@example.org> B\n", "mail_from must be an e-mail address");
}

static void hosts_are_checked(void **state)
{
    (void)state;
    refused("db_host = a,,b\n", "db_host must be a list of at most 8 host names");
    refused("db_host = a,\n", "db_host must be a list");
    refused("db_host = ,a\n", "db_host must be a list");
    refused("db_host = a b\n", "db_host must be a list");
    refused("db_host = 1,2,3,4,5,6,7,8,9\n", "db_host must be a list");
    struct conf *c = loaded("db_host = 1,2,3,4,5,6,7,8\n");
    assert_int_equal(c->db_host_count, 8);
    assert_string_equal(c->db_hosts[7], "8");
    conf_free(c);
}

static void secrets_stay_out_of_messages(void **state)
{
    (void)state;
    static const char *const files[] = {
        "secret_key = hunter2\n", "openai_key hunter2\n", "threads = hunter2\n",
        "openai_url = hunter2\n", "db_host = hunter2,\n", "log_level = hunter2\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct conf *c = NULL;
        struct err err;
        err_clear(&err);
        write_file_bytes(files[i], strlen(files[i]));
        assert_int_equal(conf_load(&c, path, &err), -1);
        assert_null(strstr(err.message, "hunter2"));
        assert_null(strstr(err.detail, "hunter2"));
    }
    refused("secret_key = 0123456789abcdef0123456789abcde\n",
            ":1: secret_key must be at least 32 characters long");
}

static void environment_overrides(void **state)
{
    (void)state;
    setenv("AIG_THREADS", "32", 1);
    setenv("AIG_OPENAI_URL", "http://127.0.0.1:1/", 1);
    setenv("AIG_DB_HOST", "only", 1);
    setenv("AIG_OPENAI_KEY", "", 1);         /* empty: the default, whatever the file says */
    setenv("AIG_CONFIG", "/nonexistent", 1); /* no key; an explicit path wins */
    setenv("AIG_VENV", "/x", 1);
    setenv("AIG_PYTHON", "python3", 1);
    setenv("AIG_TEST_DB_NAME", "x", 1);
    setenv("AIG_NO_SKIP", "1", 1);
    setenv("AIGX", "other programs' variables do not matter", 1);
    struct conf *c = loaded("threads = 64\nopenai_key = k\ndb_host = a,b,c\n");
    assert_int_equal(c->threads, 32);
    assert_string_equal(c->url[PROVIDER_OPENAI], "http://127.0.0.1:1");
    assert_int_equal(c->db_host_count, 1);
    assert_string_equal(c->db_hosts[0], "only");
    assert_null(c->key[PROVIDER_OPENAI]);
    conf_free(c);
    unsetenv("AIGX");
}

static void environment_mistakes(void **state)
{
    (void)state;
    setenv("AIG_THREADS", "none", 1);
    refused("", "environment: AIG_THREADS must be a number from 1 to 4096");
    unsetenv("AIG_THREADS");
    setenv("AIG_TREADS", "5", 1);
    refused("", "environment: unknown key 'AIG_TREADS'");
    unsetenv("AIG_TREADS");
    setenv("AIG_threads", "5", 1);
    refused("", "environment: unknown key 'AIG_threads'");
    unsetenv("AIG_threads");
    setenv("AIG_", "5", 1);
    refused("", "environment: unknown key 'AIG_'");
    unsetenv("AIG_");
    setenv("AIG_TEST_", "5", 1);
    refused("", "environment: unknown key 'AIG_TEST_'");
    unsetenv("AIG_TEST_");
    setenv("AIG_NO_SKIPS", "5", 1);
    refused("", "environment: unknown key 'AIG_NO_SKIPS'");
    unsetenv("AIG_NO_SKIPS");
    setenv("AIG_A_VERY_LONG_NAME_THAT_DOES_NOT_FIT_ANY_BUFFER_OF_SIXTY_FOUR_BYTES_AT_ALL", "5", 1);
    refused("", "environment: unknown key 'AIG_A_VERY_LONG");
}

static void missing_files(void **state)
{
    (void)state;
    struct conf *c = NULL;
    struct err err;
    assert_int_equal(conf_load(&c, "/nonexistent/ai.conf", &err), -1);
    assert_non_null(strstr(err.message, "/nonexistent/ai.conf: cannot be opened: No such file"));

    setenv("AIG_CONFIG", "/nonexistent/other.conf", 1);
    assert_int_equal(conf_load(&c, NULL, &err), -1);
    assert_non_null(strstr(err.message, "/nonexistent/other.conf"));

    write_file_bytes("threads = 77\n", 13);
    setenv("AIG_CONFIG", path, 1);
    assert_int_equal(conf_load(&c, NULL, &err), 0);
    assert_int_equal(c->threads, 77);
    conf_free(c);
    c = NULL;

    assert_int_equal(conf_load(&c, "/", &err), -1); /* opens, but cannot be read */
    assert_non_null(strstr(err.message, "/: cannot be read"));

    /* The default file may be missing (and is, unless this machine runs the gateway). */
    setenv("AIG_CONFIG", "", 1);
    if (access(AIG_CONF_FILE, F_OK) != 0) {
        assert_int_equal(conf_load(&c, NULL, &err), 0);
        assert_int_equal(c->threads, 256);
        conf_free(c);
    }
}

static void odd_files(void **state)
{
    (void)state;
    struct conf *c = NULL;
    struct err err;
    write_file_bytes("threads = 5\0\ndb_name = x\n", 25);
    assert_int_equal(conf_load(&c, path, &err), -1);
    assert_non_null(strstr(err.message, "contains a NUL byte"));

    static char large[1024 * 1024 + 100];
    memset(large, '\n', sizeof(large));
    write_file_bytes(large, sizeof(large));
    assert_int_equal(conf_load(&c, path, &err), -1);
    assert_non_null(strstr(err.message, "larger than 1 MiB"));
    write_file_bytes(large, 1000000);
    assert_int_equal(conf_load(&c, path, &err), 0);
    conf_free(c);

    memset(large, 'k', 100000); /* a long key is cut in the message */
    snprintf(large + 100000, 10, " = 1");
    refused(large, "kkkkkkkk'");
}

static void provider_names(void **state)
{
    (void)state;
    assert_string_equal(conf_provider_name(PROVIDER_OPENAI), "openai");
    assert_string_equal(conf_provider_name(PROVIDER_REPLICATE), "replicate");
    assert_string_equal(conf_provider_name(PROVIDER__COUNT), "unknown");
}

/* The sample shows every key with its default: with the '#' removed it must load as the defaults.
 */
static void sample_agrees_with_the_table(void **state)
{
    (void)state;
    const char *top = getenv("top_srcdir");
    if (top == NULL) {
        skip();
    }
    char name[4096];
    snprintf(name, sizeof(name), "%s/apache-conf/ai-generate.conf.sample.in", top);
    FILE *in = fopen(name, "r");
    assert_non_null(in);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    char line[512];
    int keys = 0;
    while (fgets(line, sizeof(line), in) != NULL) {
        /* "#key = value" is a setting, "# text" a comment. */
        bool setting = line[0] == '#' && line[1] >= 'a' && line[1] <= 'z' && strchr(line, '=');
        keys += setting ? 1 : 0;
        fputs(setting ? line + 1 : line, out);
    }
    fclose(in);
    fclose(out);
    struct conf *sample = NULL;
    struct err err;
    err_clear(&err);
    if (conf_load(&sample, path, &err) != 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(keys, 41);
    struct conf *none = loaded("");
    for (size_t i = 0; i < PROVIDER__COUNT; i++) {
        assert_string_equal(sample->url[i], none->url[i]);
        assert_null(sample->key[i]);
    }
    assert_string_equal(sample->db_hosts[0], none->db_hosts[0]);
    assert_string_equal(sample->db_user, none->db_user);
    assert_string_equal(sample->db_name, none->db_name);
    assert_int_equal(sample->db_port, none->db_port);
    assert_int_equal(sample->db_pool, none->db_pool);
    assert_int_equal(sample->threads, none->threads);
    assert_int_equal(sample->threads_reserved, none->threads_reserved);
    assert_int_equal(sample->max_body, none->max_body);
    assert_int_equal(sample->connect_timeout_ms, none->connect_timeout_ms);
    assert_int_equal(sample->first_byte_timeout_ms, none->first_byte_timeout_ms);
    assert_int_equal(sample->idle_timeout_ms, none->idle_timeout_ms);
    assert_int_equal(sample->max_call_time_ms, none->max_call_time_ms);
    assert_int_equal(sample->allow_private_webhooks, none->allow_private_webhooks);
    assert_int_equal(sample->log_level, none->log_level);
    conf_free(none);
    conf_free(sample);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, clean_environment, clean_environment)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults),
        TEST(every_key),
        TEST(empty_values_are_the_default),
        TEST(mistakes_name_file_and_line),
        TEST(numbers_are_checked),
        TEST(reserved_threads),
        TEST(urls_are_checked),
        TEST(hosts_are_checked),
        TEST(secrets_stay_out_of_messages),
        TEST(environment_overrides),
        TEST(environment_mistakes),
        TEST(missing_files),
        TEST(odd_files),
        TEST(provider_names),
        TEST(sample_agrees_with_the_table),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
