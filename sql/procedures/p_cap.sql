-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Sets or removes (p_usd NULL) the cap of a key, team member, team or account. Spent is kept if the period stays
-- the same; for another period it is summed up from spend_hourly, whose hours fit all windows. A cap below what is
-- spent and held already only stops new calls; cap_committed_usd remembers that sum, so that v_ledger_check knows.
CREATE OR REPLACE PROCEDURE set_cap(
    IN p_scope VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_id INT UNSIGNED,
    IN p_usd DECIMAL(18,9),
    IN p_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: cap of a key, member, team or account. Scope, its number, US dollars or NULL, none/daily/weekly/monthly'
BEGIN
    DECLARE v_day DATE DEFAULT UTC_DATE();
    DECLARE v_period, v_old_period VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin;
    DECLARE v_window_start, v_window_end, v_old_end DATE;
    DECLARE v_payer_id INT UNSIGNED;
    DECLARE v_held, v_spent, v_committed DECIMAL(18,9);
    DECLARE v_message VARCHAR(400) CHARACTER SET utf8mb4;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        RESIGNAL;
    END;

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
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
    START TRANSACTION;
    IF p_scope = 'key' THEN
        SELECT cap_period, window_end, spent_usd, held_usd INTO v_old_period, v_old_end, v_spent, v_held
        FROM api_key WHERE id = p_id FOR UPDATE;
        SELECT COALESCE(t.account_id, k.account_id) INTO v_payer_id
        FROM api_key k LEFT JOIN team_member m ON m.id = k.member_id LEFT JOIN team t ON t.id = m.team_id
        WHERE k.id = p_id;
    ELSEIF p_scope = 'member' THEN
        SELECT cap_period, window_end, spent_usd, held_usd INTO v_old_period, v_old_end, v_spent, v_held
        FROM team_member WHERE id = p_id FOR UPDATE;
        SELECT t.account_id INTO v_payer_id FROM team_member m JOIN team t ON t.id = m.team_id WHERE m.id = p_id;
    ELSEIF p_scope = 'team' THEN
        SELECT cap_period, window_end, spent_usd, held_usd, account_id
        INTO v_old_period, v_old_end, v_spent, v_held, v_payer_id
        FROM team WHERE id = p_id FOR UPDATE;
    ELSE
        SELECT cap_period, window_end, spent_usd, held_usd, id
        INTO v_old_period, v_old_end, v_spent, v_held, v_payer_id
        FROM account WHERE id = p_id FOR UPDATE;
    END IF;
    IF v_old_period IS NULL THEN
        SET v_message = CONCAT('There is no ', p_scope, ' with the number ', COALESCE(p_id, 'NULL'), '.');
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = v_message;
    END IF;

    IF v_old_period <> v_period THEN
        SELECT COALESCE(SUM(charge_usd), 0) INTO v_spent FROM spend_hourly
        WHERE account_id = v_payer_id AND hour >= v_window_start AND p_id = CASE p_scope WHEN 'key' THEN key_id
            WHEN 'member' THEN member_id WHEN 'team' THEN team_id ELSE account_id END;
    ELSEIF v_day >= v_old_end THEN
        SET v_spent = 0;
    END IF;
    SET v_committed = IF(v_spent + v_held > p_usd, v_spent + v_held, 0);

    IF p_scope = 'key' THEN
        UPDATE api_key SET cap_usd = p_usd, cap_period = v_period, cap_committed_usd = COALESCE(v_committed, 0),
            spent_usd = v_spent, window_end = v_window_end WHERE id = p_id;
    ELSEIF p_scope = 'member' THEN
        UPDATE team_member SET cap_usd = p_usd, cap_period = v_period, cap_committed_usd = COALESCE(v_committed, 0),
            spent_usd = v_spent, window_end = v_window_end WHERE id = p_id;
    ELSEIF p_scope = 'team' THEN
        UPDATE team SET cap_usd = p_usd, cap_period = v_period, cap_committed_usd = COALESCE(v_committed, 0),
            spent_usd = v_spent, window_end = v_window_end WHERE id = p_id;
    ELSE
        UPDATE account SET cap_usd = p_usd, cap_period = v_period, cap_committed_usd = COALESCE(v_committed, 0),
            spent_usd = v_spent, window_end = v_window_end WHERE id = p_id;
    END IF;
    COMMIT;
    SELECT p_scope AS scope, p_id AS id, p_usd AS cap_usd, v_period AS cap_period, v_spent AS spent_usd,
        v_held AS held_usd;
END //

DELIMITER ;
