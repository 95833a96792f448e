/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include "store/outcome.h"

#include "db/txn.h"

#include <string.h>

static const struct {
    const char *outcome;
    enum err_code code;
    const char *param;
    const char *message;
} REFUSALS[] = {
    {"no_key", ERR_NOT_FOUND, "id", "There is no such key. GET /v1/keys lists yours."},
    {"not_yours", ERR_FORBIDDEN, "id",
     "Only the member that the key belongs to can replace it, since only that member may see it."},
    {"past", ERR_BAD_REQUEST, "expires_at", "'expires_at' must lie in the future."},
    {"too_many_keys", ERR_BAD_REQUEST, NULL, "There are 1000 keys already. Delete some first."},
    {"unknown_model", ERR_BAD_REQUEST, "models", "'models': see detail."},
    {"left_team", ERR_FORBIDDEN, "enabled",
     "This key belongs to a member who has left the team, so it cannot be enabled."},
    {"no_team", ERR_NOT_FOUND, "team_id", "You are in no such team. GET /v1/teams lists yours."},
    {"too_many_teams", ERR_BAD_REQUEST, NULL, "You pay for 50 teams already."},
    {"admin_only", ERR_FORBIDDEN, NULL, "Only the owner and the admins of the team may do this."},
    {"owner_only", ERR_FORBIDDEN, NULL, "Only the owner of the team may do this."},
    {"owner_role", ERR_BAD_REQUEST, "role",
     "The owner's role changes only when the team is transferred: POST /v1/teams/{id}/transfer."},
    {"owner_stays", ERR_FORBIDDEN, NULL,
     "The owner pays for the team and cannot leave it. Transfer it first: POST "
     "/v1/teams/{id}/transfer."},
    {"no_member", ERR_NOT_FOUND, "member_id", "There is no such member in this team."},
    {"member_already", ERR_BAD_REQUEST, "email", "This address belongs to a member already."},
    {"too_many_members", ERR_BAD_REQUEST, NULL, "The team has 500 members already."},
    {"too_many_mails", ERR_RATE_LIMITED, NULL,
     "You have sent 50 invitations within a day. Try again tomorrow."},
    {"no_invitation", ERR_NOT_FOUND, NULL, "There is no such open invitation."},
    {"invitation_void", ERR_NOT_FOUND, "token",
     "This invitation is not valid: it was used, withdrawn, replaced by a newer one, or has "
     "expired. Ask for another one."},
    {"other_address", ERR_FORBIDDEN, NULL, "The invitation is for another address."},
    {"no_offer", ERR_BAD_REQUEST, "member_id",
     "The owner has not offered this team to you. A transfer is offered by the owner and then "
     "accepted by the member."},
    {"bad_amount", ERR_BAD_REQUEST, "amount_usd",
     "'amount_usd' must be from 1 to 10000 US dollars, in whole cents."},
    {"too_many_checkouts", ERR_RATE_LIMITED, NULL,
     "Too many payments were begun within an hour. Try again later."},
    {"no_purchase", ERR_NOT_FOUND, "id", "You have no such credit. GET /v1/credit lists yours."},
    {"free_credit", ERR_BAD_REQUEST, "id", "This credit was free and cannot be refunded."},
    {"by_operator", ERR_BAD_REQUEST, "id",
     "This was not paid through this page. Ask the operator of this service for the refund."},
    {"too_late", ERR_BAD_REQUEST, "id", "This purchase is more than 30 days old."},
    {"nothing_left", ERR_BAD_REQUEST, "id",
     "Nothing of this purchase is left to refund: it is spent, or running calls hold it."},
};

/* A sentence that names what was wrong, where the procedure tells. */
static int refuse(const char *outcome, const char *detail, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(REFUSALS); i++) {
        if (strcmp(outcome, REFUSALS[i].outcome) != 0)
            continue;
        if (detail != NULL && strcmp(outcome, "unknown_model") == 0)
            return err_set(err, REFUSALS[i].code, REFUSALS[i].param,
                           "'models': there is no model '%.96s'. GET /v1/models lists those that "
                           "there are.",
                           detail);
        if (detail != NULL && strcmp(outcome, "other_address") == 0)
            return err_set(err, REFUSALS[i].code, REFUSALS[i].param,
                           "This invitation is for %.254s. Sign in with that address, or ask for "
                           "an invitation of yours.",
                           detail);
        return err_set(err, REFUSALS[i].code, REFUSALS[i].param, "%s", REFUSALS[i].message);
    }
    err_set(err, ERR_INTERNAL, NULL, "The server had an internal error.");
    return err_detail(err, "outcome %s", outcome);
}

int outcome_call(struct db_rows *rows, struct store *s, struct arena *arena, const char *sql,
                 const struct db_param *params, size_t param_count, struct err *err)
{
    if (db_run(rows, s->pool, arena, sql, params, param_count, 1, 0, err) != 0)
        return -1;
    const char *outcome = rows->row_count == 1 ? db_cell(rows, 0, 0) : NULL;
    if (outcome != NULL && strcmp(outcome, "ok") == 0)
        return 0;
    return refuse(outcome != NULL ? outcome : "none",
                  rows->row_count == 1 && rows->column_count > 1 ? db_cell(rows, 0, 1) : NULL, err);
}
