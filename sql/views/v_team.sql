-- SPDX-License-Identifier: Apache-2.0

-- Teams and their members, one row a membership, with the caps of both.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_team AS
SELECT t.id AS team_id, t.name AS team, payer.email AS payer, t.enabled AS team_enabled,
    t.cap_usd AS team_cap_usd, t.cap_period AS team_cap_period,
    IF(UTC_DATE() < t.window_end, t.spent_usd, 0) AS team_spent_usd,
    t.held_usd AS team_held_usd,
    m.id AS member_id, a.email AS member, m.role, m.enabled AS member_enabled,
    m.cap_usd AS member_cap_usd, m.cap_period AS member_cap_period,
    IF(UTC_DATE() < m.window_end, m.spent_usd, 0) AS member_spent_usd,
    m.held_usd AS member_held_usd
FROM team t
    JOIN account payer ON payer.id = t.account_id
    LEFT JOIN team_member m ON m.team_id = t.id
    LEFT JOIN account a ON a.id = m.account_id;

-- Invitations that can still be accepted.
CREATE OR REPLACE SQL SECURITY DEFINER VIEW v_invitation AS
SELECT i.id AS invitation_id, t.name AS team, i.email, i.role, by_whom.email AS invited_by, i.created_at, i.expires_at
FROM team_invitation i
    JOIN team t ON t.id = i.team_id
    JOIN account by_whom ON by_whom.id = i.invited_by
WHERE i.closed_at IS NULL AND i.expires_at > UTC_TIMESTAMP();
