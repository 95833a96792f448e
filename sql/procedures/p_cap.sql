-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Sets or removes (p_usd NULL) the cap of a key, team member, team or account. Spent is kept if the period stays
-- the same; for another period it is summed up from spend_hourly, whose hours fit all windows, over all accounts that
-- have paid for the team. A cap below what is spent and held already only stops new calls; cap_committed_usd remembers
-- that sum, so that v_ledger_check knows. Needs a transaction in READ COMMITTED.
CREATE OR REPLACE PROCEDURE set_cap_inner(
    IN p_scope VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_id INT UNSIGNED,
    IN p_usd DECIMAL(18,9),
    IN p_period VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    OUT o_spent_usd DECIMAL(18,9),
    OUT o_held_usd DECIMAL(18,9)
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Internal: set_cap without its transaction'
BEGIN
    DECLARE v_day DATE DEFAULT UTC_DATE();
    DECLARE v_period, v_old_period VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_window_start, v_window_end, v_old_end DATE;
    DECLARE v_payer_id, v_team_id INT UNSIGNED;
    DECLARE v_earlier, v_committed DECIMAL(18,9);
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;

    SET v_period = COALESCE(p_period, 'none');
    IF p_scope IS NULL OR p_scope NOT IN ('key', 'member', 'team', 'account') THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The scope must be key, member, team or account.';
    ELSEIF v_period NOT IN ('none', 'daily', 'weekly', 'monthly') THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The period must be none, daily, weekly or monthly.';
    ELSEIF p_usd < 0 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'A cap cannot be negative; NULL removes it, 0 stops all calls.';
    END IF;
    SET v_window_start = CASE v_period WHEN 'daily' THEN v_day
            WHEN 'weekly' THEN v_day - INTERVAL WEEKDAY(v_day) DAY
            WHEN 'monthly' THEN v_day - INTERVAL DAYOFMONTH(v_day) - 1 DAY ELSE '1970-01-01' END,
        v_window_end = CASE v_period WHEN 'daily' THEN v_window_start + INTERVAL 1 DAY
            WHEN 'weekly' THEN v_window_start + INTERVAL 7 DAY
            WHEN 'monthly' THEN v_window_start + INTERVAL 1 MONTH ELSE '9999-12-31' END;

    -- The row is locked before spend_hourly is read: settlements that are not in the sum yet add to the row later.
    IF p_scope = 'key' THEN
        SELECT cap_period, window_end, spent_usd, held_usd INTO v_old_period, v_old_end, o_spent_usd, o_held_usd
        FROM api_key WHERE id = p_id FOR UPDATE;
        SELECT COALESCE(t.account_id, k.account_id), t.id INTO v_payer_id, v_team_id
        FROM api_key k LEFT JOIN team_member m ON m.id = k.member_id LEFT JOIN team t ON t.id = m.team_id
        WHERE k.id = p_id;
    ELSEIF p_scope = 'member' THEN
        SELECT cap_period, window_end, spent_usd, held_usd INTO v_old_period, v_old_end, o_spent_usd, o_held_usd
        FROM team_member WHERE id = p_id FOR UPDATE;
        SELECT t.account_id, t.id INTO v_payer_id, v_team_id
        FROM team_member m JOIN team t ON t.id = m.team_id WHERE m.id = p_id;
    ELSEIF p_scope = 'team' THEN
        SELECT cap_period, window_end, spent_usd, held_usd, account_id, id
        INTO v_old_period, v_old_end, o_spent_usd, o_held_usd, v_payer_id, v_team_id
        FROM team WHERE id = p_id FOR UPDATE;
    ELSE
        SELECT cap_period, window_end, spent_usd, held_usd, id
        INTO v_old_period, v_old_end, o_spent_usd, o_held_usd, v_payer_id
        FROM account WHERE id = p_id FOR UPDATE;
    END IF;
    IF v_old_period IS NULL THEN
        SET v_message = CONCAT('There is no ', p_scope, ' with the number ', COALESCE(p_id, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;

    IF v_old_period <> v_period THEN
        SELECT COALESCE(SUM(charge_usd), 0) INTO o_spent_usd FROM spend_hourly
        WHERE account_id = v_payer_id AND hour >= v_window_start AND p_id = CASE p_scope WHEN 'key' THEN key_id
            WHEN 'member' THEN member_id WHEN 'team' THEN team_id ELSE account_id END;
        IF v_team_id IS NOT NULL THEN
            SELECT COALESCE(SUM(s.charge_usd), 0) INTO v_earlier
            FROM team_payer p JOIN spend_hourly s ON s.account_id = p.account_id AND s.hour >= v_window_start
            WHERE p.team_id = v_team_id AND p.account_id <> v_payer_id AND p_id = CASE p_scope WHEN 'key' THEN s.key_id
                WHEN 'member' THEN s.member_id ELSE s.team_id END;
            SET o_spent_usd = o_spent_usd + v_earlier;
        END IF;
    ELSEIF v_day >= v_old_end THEN
        SET o_spent_usd = 0;
    END IF;
    SET v_committed = COALESCE(IF(o_spent_usd + o_held_usd > p_usd, o_spent_usd + o_held_usd, 0), 0);

    IF p_scope = 'key' THEN
        UPDATE api_key SET cap_usd = p_usd, cap_period = v_period, cap_committed_usd = v_committed,
            spent_usd = o_spent_usd, window_end = v_window_end WHERE id = p_id;
    ELSEIF p_scope = 'member' THEN
        UPDATE team_member SET cap_usd = p_usd, cap_period = v_period, cap_committed_usd = v_committed,
            spent_usd = o_spent_usd, window_end = v_window_end WHERE id = p_id;
    ELSEIF p_scope = 'team' THEN
        UPDATE team SET cap_usd = p_usd, cap_period = v_period, cap_committed_usd = v_committed,
            spent_usd = o_spent_usd, window_end = v_window_end WHERE id = p_id;
    ELSE
        UPDATE account SET cap_usd = p_usd, cap_period = v_period, cap_committed_usd = v_committed,
            spent_usd = o_spent_usd, window_end = v_window_end WHERE id = p_id;
    END IF;
END //

CREATE OR REPLACE PROCEDURE set_cap(
    IN p_scope VARCHAR(32) CHARACTER SET ascii,
    IN p_id INT UNSIGNED,
    IN p_usd DECIMAL(18,9),
    IN p_period VARCHAR(32) CHARACTER SET ascii
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: cap of a key, member, team or account. Scope, its number, US dollars or NULL, none/daily/weekly/monthly'
BEGIN
    DECLARE v_spent, v_held DECIMAL(18,9);
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    CALL set_cap_inner(p_scope, p_id, p_usd, p_period, v_spent, v_held);
    COMMIT;
    SELECT p_scope AS scope, p_id AS id, p_usd AS cap_usd, COALESCE(p_period, 'none') AS cap_period,
        v_spent AS spent_usd, v_held AS held_usd;
END //

DELIMITER ;
