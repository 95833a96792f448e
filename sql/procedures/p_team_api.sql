-- SPDX-License-Identifier: Apache-2.0
-- What customers do with teams, for the program: p_actor_id is the account that is signed in. Each answers one row:
-- outcome (ok or why not), detail, id.
--
--                                        owner  admin  member
-- see the team, make keys of one's own     x      x      x
-- rename, invite and remove members        x      x
-- caps and keys of members                 x      x
-- invite and remove admins, their caps     x
-- roles, cap of the team, transfer         x
-- leave                                           x      x      (an owner transfers first)
--
-- A transfer makes another account pay, so that member has to accept it.
DELIMITER //

CREATE OR REPLACE PROCEDURE team_create(
    IN p_actor_id INT UNSIGNED,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: a customer makes a team, pays for it and owns it'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_team_id, v_count INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT COUNT(*) INTO v_count FROM team WHERE account_id = p_actor_id;
    IF v_count >= 50 THEN
        SET v_outcome = 'too_many_teams';
    ELSE
        CALL team_add_inner(p_name, p_actor_id, v_team_id);
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, NULL AS detail, v_team_id AS id;
END //

CREATE OR REPLACE PROCEDURE team_role_inner(
    IN p_actor_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    OUT o_member_id INT UNSIGNED,
    OUT o_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
READS SQL DATA
COMMENT 'Internal: membership and role of an account in a team; NULL: none'
BEGIN
    SELECT id, role INTO o_member_id, o_role FROM team_member
    WHERE team_id = p_team_id AND account_id = p_actor_id AND enabled;
END //

-- p_set has a bit for each value that is to be set: 1 name, 2 cap, 4 period.
CREATE OR REPLACE PROCEDURE team_change(
    IN p_actor_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    IN p_set INT UNSIGNED,
    IN p_name VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_cap_usd DECIMAL(18,9),
    IN p_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: name and cap of a team'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_role, v_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_member_id INT UNSIGNED;
    DECLARE v_cap, v_spent, v_held DECIMAL(18,9);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL team_role_inner(p_actor_id, p_team_id, v_member_id, v_role);
    IF v_role IS NULL THEN
        SET v_outcome = 'no_team';
    ELSEIF v_role = 'member' OR (v_role <> 'owner' AND p_set & 6) THEN
        SET v_outcome = IF(p_set & 6, 'owner_only', 'admin_only');
    ELSE
        IF p_set & 6 THEN
            SELECT cap_usd, cap_period INTO v_cap, v_period FROM team WHERE id = p_team_id FOR UPDATE;
            CALL set_cap_inner('team', p_team_id, IF(p_set & 2, p_cap_usd, v_cap), IF(p_set & 4, p_period, v_period),
                v_spent, v_held);
        END IF;
        IF p_set & 1 THEN
            UPDATE team SET name = p_name WHERE id = p_team_id;
        END IF;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, NULL AS detail, p_team_id AS id;
END //

-- The mail comes from the program, which knows the token; here is only its hash. An open invitation of the same address
-- is replaced.
CREATE OR REPLACE PROCEDURE team_invite(
    IN p_actor_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    IN p_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_token_hash BINARY(32),
    IN p_days INT UNSIGNED,
    IN p_subject VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_body TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: invites an address to a team by mail'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_member_id, v_id, v_members, v_there, v_mails INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    -- Two invitations at once wait for each other here, so that an address has one that is open.
    SELECT id INTO v_member_id FROM team WHERE id = p_team_id FOR UPDATE;
    CALL team_role_inner(p_actor_id, p_team_id, v_member_id, v_role);
    SELECT id INTO v_id FROM team_invitation WHERE token_hash = p_token_hash;
    SELECT COUNT(*), COUNT(IF(a.email = p_email, 1, NULL)) INTO v_members, v_there
    FROM team_member m JOIN account a ON a.id = m.account_id WHERE m.team_id = p_team_id AND m.enabled;
    SELECT COUNT(*) INTO v_mails FROM team_invitation
    WHERE invited_by = p_actor_id AND created_at > UTC_TIMESTAMP() - INTERVAL 1 DAY;
    IF v_role IS NULL THEN
        SET v_outcome = 'no_team';
    ELSEIF v_id IS NOT NULL THEN
        SET v_outcome = 'ok'; -- a repeated step
    ELSEIF v_role = 'member' THEN
        SET v_outcome = 'admin_only';
    ELSEIF v_role <> 'owner' AND p_role = 'admin' THEN
        SET v_outcome = 'owner_only';
    ELSEIF v_there > 0 THEN
        SET v_outcome = 'member_already';
    ELSEIF v_members >= 500 THEN
        SET v_outcome = 'too_many_members';
    ELSEIF v_mails >= 50 THEN
        SET v_outcome = 'too_many_mails';
    ELSE
        UPDATE team_invitation SET closed_at = UTC_TIMESTAMP(), outcome = 'replaced'
        WHERE team_id = p_team_id AND closed_at IS NULL AND email = p_email;
        INSERT INTO team_invitation (team_id, email, role, token_hash, invited_by, expires_at)
        VALUES (p_team_id, p_email, p_role, p_token_hash, p_actor_id, UTC_TIMESTAMP() + INTERVAL p_days DAY);
        SET v_id = LAST_INSERT_ID();
        CALL mail_enqueue_inner(p_email, 'invite', p_subject, p_body);
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, NULL AS detail, v_id AS id;
END //

CREATE OR REPLACE PROCEDURE team_uninvite(
    IN p_actor_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    IN p_invitation_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: withdraws an invitation'
BEGIN
    DECLARE v_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_member_id, v_count INT UNSIGNED DEFAULT 0;

    CALL team_role_inner(p_actor_id, p_team_id, v_member_id, v_role);
    IF v_role IN ('owner', 'admin') THEN
        UPDATE team_invitation SET closed_at = UTC_TIMESTAMP(), outcome = 'withdrawn'
        WHERE id = p_invitation_id AND team_id = p_team_id AND closed_at IS NULL;
        SET v_count = ROW_COUNT();
    END IF;
    SELECT CASE WHEN v_role IS NULL THEN 'no_team' WHEN v_role = 'member' THEN 'admin_only'
        WHEN v_count = 0 THEN 'no_invitation' ELSE 'ok' END AS outcome, NULL AS detail, p_invitation_id AS id;
END //

-- Accepts an invitation, once. The token came with a mail, so whoever has it must be the account of that address.
-- Who has been in the team before comes back with the caps of then; the old keys stay disabled.
CREATE OR REPLACE PROCEDURE team_join(
    IN p_actor_id INT UNSIGNED,
    IN p_token_hash BINARY(32)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: accepts an invitation to a team'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_id, v_team_id, v_members INT UNSIGNED;
    DECLARE v_email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
    DECLARE v_role, v_now_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_open, v_same BOOLEAN DEFAULT FALSE;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    SELECT id, team_id, email, role, closed_at IS NULL AND expires_at > UTC_TIMESTAMP()
    INTO v_id, v_team_id, v_email, v_role, v_open
    FROM team_invitation WHERE token_hash = p_token_hash FOR UPDATE;
    SELECT email = v_email INTO v_same FROM account WHERE id = p_actor_id;
    IF v_id IS NULL OR NOT v_open THEN
        SET v_outcome = 'invitation_void';
    ELSEIF NOT v_same THEN
        SET v_outcome = 'other_address';
    ELSE
        SELECT role INTO v_now_role FROM team_member
        WHERE team_id = v_team_id AND account_id = p_actor_id AND enabled;
        SELECT COUNT(*) INTO v_members FROM team_member WHERE team_id = v_team_id AND enabled;
    END IF;
    IF v_outcome = 'ok' AND v_now_role IS NULL AND v_members >= 500 THEN
        SET v_outcome = 'too_many_members';
    ELSEIF v_outcome = 'ok' THEN
        UPDATE team_invitation SET closed_at = UTC_TIMESTAMP(), outcome = 'accepted' WHERE id = v_id;
        IF v_now_role IS NULL THEN
            INSERT INTO team_member (team_id, account_id, role) VALUES (v_team_id, p_actor_id, v_role)
            ON DUPLICATE KEY UPDATE role = v_role, enabled = 1;
        END IF;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, IF(v_outcome = 'other_address', v_email, NULL) AS detail, v_team_id AS id;
END //

-- p_set has a bit for each value that is to be set: 1 role, 2 cap, 4 period.
CREATE OR REPLACE PROCEDURE member_change(
    IN p_actor_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    IN p_member_id INT UNSIGNED,
    IN p_set INT UNSIGNED,
    IN p_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_cap_usd DECIMAL(18,9),
    IN p_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: role and cap of a member of a team'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_role, v_their_role, v_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_me INT UNSIGNED;
    DECLARE v_cap, v_spent, v_held DECIMAL(18,9);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL team_role_inner(p_actor_id, p_team_id, v_me, v_role);
    SELECT role, cap_usd, cap_period INTO v_their_role, v_cap, v_period FROM team_member
    WHERE id = p_member_id AND team_id = p_team_id AND enabled FOR UPDATE;
    IF v_role IS NULL THEN
        SET v_outcome = 'no_team';
    ELSEIF v_their_role IS NULL THEN
        SET v_outcome = 'no_member';
    ELSEIF v_role = 'member' THEN
        SET v_outcome = 'admin_only';
    ELSEIF v_role <> 'owner' AND (v_their_role <> 'member' OR p_set & 1) THEN
        SET v_outcome = 'owner_only';
    ELSEIF p_set & 1 AND v_their_role = 'owner' THEN
        SET v_outcome = 'owner_role';
    ELSE
        IF p_set & 1 THEN
            UPDATE team_member SET role = p_role WHERE id = p_member_id;
        END IF;
        IF p_set & 6 THEN
            CALL set_cap_inner('member', p_member_id, IF(p_set & 2, p_cap_usd, v_cap),
                IF(p_set & 4, p_period, v_period), v_spent, v_held);
        END IF;
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, NULL AS detail, p_member_id AS id;
END //

CREATE OR REPLACE PROCEDURE member_remove(
    IN p_actor_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    IN p_member_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: removes a member from a team, or the actor leaves it; the keys of the membership are refused from then on'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_role, v_their_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_me INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL team_role_inner(p_actor_id, p_team_id, v_me, v_role);
    SELECT role INTO v_their_role FROM team_member WHERE id = p_member_id AND team_id = p_team_id AND enabled;
    IF v_role IS NULL THEN
        SET v_outcome = 'no_team';
    ELSEIF v_their_role IS NULL THEN
        SET v_outcome = 'no_member';
    ELSEIF v_their_role = 'owner' THEN
        SET v_outcome = IF(v_me = p_member_id, 'owner_stays', 'owner_only');
    ELSEIF v_me <> p_member_id AND v_role = 'member' THEN
        SET v_outcome = 'admin_only';
    ELSEIF v_me <> p_member_id AND v_role <> 'owner' AND v_their_role = 'admin' THEN
        SET v_outcome = 'owner_only';
    ELSE
        CALL member_remove_inner(p_member_id);
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, NULL AS detail, p_member_id AS id;
END //

-- The owner names a member: an offer (its own number withdraws it). That member names itself: it accepts, and pays from
-- now on.
CREATE OR REPLACE PROCEDURE team_transfer(
    IN p_actor_id INT UNSIGNED,
    IN p_team_id INT UNSIGNED,
    IN p_member_id INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'API: the owner offers a team and its payment to a member, or that member accepts'
BEGIN
    DECLARE v_outcome VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin DEFAULT 'ok';
    DECLARE v_role VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_me, v_offered_to, v_there INT UNSIGNED;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    -- The members before the team, as everywhere.
    SELECT COUNT(*) INTO v_me FROM team_member WHERE team_id = p_team_id FOR UPDATE;
    SELECT transfer_member_id INTO v_offered_to FROM team WHERE id = p_team_id FOR UPDATE;
    SET v_me = NULL;
    CALL team_role_inner(p_actor_id, p_team_id, v_me, v_role);
    SELECT COUNT(*) INTO v_there FROM team_member WHERE id = p_member_id AND team_id = p_team_id AND enabled;
    IF v_role IS NULL THEN
        SET v_outcome = 'no_team';
    ELSEIF v_there = 0 THEN
        SET v_outcome = 'no_member';
    ELSEIF v_role = 'owner' THEN
        UPDATE team SET transfer_member_id = NULLIF(p_member_id, v_me) WHERE id = p_team_id;
    ELSEIF v_me = p_member_id AND v_offered_to = v_me THEN
        CALL team_transfer_inner(p_team_id, p_member_id);
    ELSE
        SET v_outcome = IF(v_me = p_member_id, 'no_offer', 'owner_only');
    END IF;
    COMMIT;
    SELECT v_outcome AS outcome, NULL AS detail, p_team_id AS id;
END //

DELIMITER ;
