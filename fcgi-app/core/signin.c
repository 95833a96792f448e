/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "core/signin.h"

#include "base/mailaddr.h"
#include "core/letter.h"
#include "store/session.h"
#include "store/signup.h"
#include "store/throttle.h"

#include <string.h>

void signin_client_of(struct signin_client *out, struct arena *arena, const char *user_agent,
                      const char *address)
{
    size_t len = user_agent != NULL ? strlen(user_agent) : 0;
    char *agent = arena_strndup(arena, user_agent != NULL ? user_agent : "",
                                len < SESSION_USER_AGENT_MAX ? len : SESSION_USER_AGENT_MAX);

    for (char *p = agent; *p != '\0'; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    out->user_agent = agent;
    subnet_of(out->network, address);
}

static int check_email(char out[MAILADDR_SIZE], const char *email, struct err *err)
{
    if (!mailaddr_valid(span_of(email)))
        return err_set(err, ERR_BAD_REQUEST, "email",
                       "'email' must be an e-mail address such as ann@example.org, of at most %d "
                       "ASCII characters.",
                       MAILADDR_MAX);
    mailaddr_normal(out, span_of(email));
    return 0;
}

static int check_password(struct span password, struct err *err)
{
    if (password.len < PASSWORD_MIN || password.len > PASSWORD_MAX)
        return err_set(err, ERR_BAD_REQUEST, "password",
                       "'password' must have from %d to %d bytes.", PASSWORD_MIN, PASSWORD_MAX);
    return 0;
}

/* Characters, not bytes; control characters have no place in a name. */
static int check_name(const char *name, struct err *err)
{
    size_t characters = 0;
    bool control = false;

    for (const char *p = name; *p != '\0'; p++) {
        characters += ((unsigned char)*p & 0xC0) != 0x80;
        control = control || (unsigned char)*p < 0x20 || *p == 0x7f;
    }
    if (characters > SIGNIN_NAME_MAX || control)
        return err_set(err, ERR_BAD_REQUEST, "name",
                       "'name' must have at most %d characters and no control characters.",
                       SIGNIN_NAME_MAX);
    return 0;
}

static int check_mail_configured(const struct conf *conf, struct err *err)
{
    if (conf->mail_url != NULL && conf->mail_from != NULL && conf->public_url != NULL)
        return 0;
    return err_set(err, ERR_NOT_CONFIGURED, NULL,
                   "This service cannot send mails yet. Its operator has to set mail_url, "
                   "mail_from and public_url.");
}

static int check_token(unsigned char hash[SECRET_SHA256_SIZE], const char *token, struct err *err)
{
    if (!cookie_token_valid(token))
        return err_set(err, ERR_TOKEN, "token",
                       "This link is not known. Check that it was copied whole, or ask for a new "
                       "one.");
    secret_sha256(hash, token, strlen(token));
    return 0;
}

static void new_token(char token[COOKIE_TOKEN_SIZE], unsigned char hash[SECRET_SHA256_SIZE])
{
    cookie_new_token(token);
    secret_sha256(hash, token, COOKIE_TOKEN_LEN);
}

int signin_begin(struct app *app, struct arena *arena, const struct signin_client *client,
                 const char *email, const char *name, struct span password, struct err *err)
{
    const char *url = app->conf->public_url;
    unsigned char token_hash[SECRET_SHA256_SIZE];
    char token[COOKIE_TOKEN_SIZE];
    char address[MAILADDR_SIZE];
    char mailbox[MAILADDR_SIZE];
    char hash[PASSWORD_HASH_SIZE];

    if (check_email(address, email, err) != 0 || check_password(password, err) != 0 ||
        check_name(name, err) != 0 || check_mail_configured(app->conf, err) != 0 ||
        throttle_take(&app->store, arena, THROTTLE_SIGNUP, address, client->network, err) != 0 ||
        password_hash(hash, password, err) != 0)
        return -1;
    mailaddr_mailbox(mailbox, address);
    new_token(token, token_hash);
    const struct signup_wish wish = {
        .email = address,
        .mailbox = mailbox,
        .name = name,
        .password_hash = hash,
        .life_s = LETTER_VERIFY_LIFE_S,
        .fresh = letter_verify(arena, url, token, client->network),
        .known = letter_known(arena, url, client->network),
    };
    return signup_store(&app->store, arena, token_hash, &wish, err);
}

int signin_verify(struct signin_opened *out, struct app *app, struct arena *arena,
                  const struct signin_client *client, const char *token, struct err *err)
{
    unsigned char token_hash[SECRET_SHA256_SIZE];
    unsigned char session_hash[SECRET_SHA256_SIZE];

    if (throttle_take(&app->store, arena, THROTTLE_LINK, NULL, client->network, err) != 0 ||
        check_token(token_hash, token, err) != 0)
        return -1;
    new_token(out->token, session_hash);
    const struct signup_session session = {
        .hash = session_hash,
        .user_agent = client->user_agent,
        .network = client->network,
    };
    if (signup_use(&out->granted_usd, &app->store, arena, token_hash, &session, err) != 0)
        return -1;
    throttle_give(&app->store, arena, THROTTLE_LINK, NULL, client->network);
    return 0;
}

/* Counted before the work and given back after it, so that attempts at the same time count, too. */
int signin_login(struct signin_opened *out, struct app *app, struct arena *arena,
                 const struct signin_client *client, const char *email, struct span password,
                 struct err *err)
{
    unsigned char session_hash[SECRET_SHA256_SIZE];
    char address[MAILADDR_SIZE];
    struct signup_login login;
    bool right = false;

    if (check_email(address, email, err) != 0)
        return -1;
    if (password.len > PASSWORD_MAX)
        return check_password(password, err);
    if (throttle_take(&app->store, arena, THROTTLE_LOGIN, address, client->network, err) != 0 ||
        signup_find_login(&login, &app->store, arena, address, err) != 0)
        return -1;
    if (password_verify(&right, login.password_hash, password, err) != 0) {
        throttle_give(&app->store, arena, THROTTLE_LOGIN, address, client->network);
        return -1;
    }
    if (!right)
        return err_set(err, ERR_CREDENTIALS, NULL,
                       "This e-mail address and password do not belong together. A new password "
                       "can be set by mail.");
    throttle_give(&app->store, arena, THROTTLE_LOGIN, address, client->network);
    if (!login.enabled)
        return err_set(err, ERR_ACCOUNT_DISABLED, NULL,
                       "This account is disabled. Ask the operator of this service.");
    new_token(out->token, session_hash);
    out->granted_usd = NULL;
    const struct signup_session session = {
        .hash = session_hash,
        .user_agent = client->user_agent,
        .network = client->network,
    };
    return signup_open_login(&app->store, arena, &login, &session, err);
}

int signin_ask_reset(struct app *app, struct arena *arena, const struct signin_client *client,
                     const char *email, struct err *err)
{
    unsigned char token_hash[SECRET_SHA256_SIZE];
    char token[COOKIE_TOKEN_SIZE];
    char address[MAILADDR_SIZE];

    if (check_email(address, email, err) != 0 || check_mail_configured(app->conf, err) != 0 ||
        throttle_take(&app->store, arena, THROTTLE_RESET, address, client->network, err) != 0)
        return -1;
    new_token(token, token_hash);
    const struct signup_mail mail =
        letter_reset(arena, app->conf->public_url, token, client->network);
    return signup_reset(&app->store, arena, token_hash, address, LETTER_RESET_LIFE_S, &mail, err);
}

int signin_reset(struct app *app, struct arena *arena, const struct signin_client *client,
                 const char *token, struct span password, struct err *err)
{
    unsigned char token_hash[SECRET_SHA256_SIZE];
    unsigned char failures[SECRET_SHA256_SIZE];
    char hash[PASSWORD_HASH_SIZE];
    const char *email = NULL;

    if (check_password(password, err) != 0 || check_mail_configured(app->conf, err) != 0 ||
        throttle_take(&app->store, arena, THROTTLE_LINK, NULL, client->network, err) != 0 ||
        check_token(token_hash, token, err) != 0 ||
        signup_reset_email(&email, &app->store, arena, token_hash, err) != 0 ||
        password_hash(hash, password, err) != 0)
        return -1;
    throttle_subject(failures, THROTTLE_LOGIN, email);
    const struct signup_mail mail = letter_changed(arena, app->conf->public_url, client->network);
    if (signup_reset_use(&app->store, arena, token_hash, hash, failures, &mail, err) != 0)
        return -1;
    throttle_give(&app->store, arena, THROTTLE_LINK, NULL, client->network);
    return 0;
}
