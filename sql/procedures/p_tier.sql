-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Puts accounts into the tiers that their spend of 30 days has earned: up at once to the highest that it reaches,
-- down one step a run. Accounts with a markup of their own stay where they are.
--
-- 30 days are the present hour and the 719 before it. spend_hourly has what was charged by hour and nothing else
-- (failed calls are not in it), so the sum is exact.
--
-- Beside live traffic: accounts come in chunks of 5000. Sums are read without locks; the numbers of the chunk stand in
-- the statement as a list, so that the server seeks to the 30 days of each account instead of reading all of its
-- history. Only accounts that change are locked, at most 200 in a transaction, for the two statements that change them.
-- One row for each change; p_dry_run: the same rows, and nothing changes. NULL, NULL: all accounts.
CREATE OR REPLACE PROCEDURE recompute_tiers(
    IN p_from_account_id INT UNSIGNED,
    IN p_to_account_id INT UNSIGNED,
    IN p_dry_run TINYINT
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: tiers from the spend of 30 days. First and last account or NULL, 1: only show'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_since DATETIME DEFAULT DATE(v_now) + INTERVAL HOUR(v_now) - 719 HOUR;
    DECLARE v_next INT UNSIGNED DEFAULT COALESCE(p_from_account_id, 1);
    DECLARE v_lowest SMALLINT UNSIGNED;
    DECLARE v_first, v_last INT UNSIGNED;
    DECLARE v_ids TEXT CHARACTER SET ascii;
    DECLARE v_concat_max BIGINT UNSIGNED DEFAULT @@SESSION.group_concat_max_len;
    DECLARE EXIT HANDLER FOR SQLEXCEPTION
    BEGIN
        ROLLBACK;
        SET SESSION group_concat_max_len = v_concat_max;
        RESIGNAL;
    END;

    IF p_from_account_id > p_to_account_id THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'The first account must not come after the last one.';
    END IF;
    SET SESSION group_concat_max_len = 65535;
    SELECT id INTO v_lowest FROM tier ORDER BY min_spend_usd LIMIT 1;
    CREATE OR REPLACE TEMPORARY TABLE tier_move (
        n INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
        account_id INT UNSIGNED NOT NULL, from_tier_id SMALLINT UNSIGNED NOT NULL,
        to_tier_id SMALLINT UNSIGNED NOT NULL, spend_usd DECIMAL(18,9) NOT NULL, done TINYINT NOT NULL DEFAULT 0
    ) ENGINE=InnoDB;

    chunk: LOOP
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        START TRANSACTION;
        SELECT GROUP_CONCAT(id), MAX(id) INTO v_ids, v_last
        FROM (SELECT id FROM account WHERE id >= v_next AND id <= COALESCE(p_to_account_id, 4294967295)
            ORDER BY id LIMIT 5000) c;
        IF v_ids IS NULL THEN
            COMMIT;
            LEAVE chunk;
        END IF;
        SELECT COALESCE(MAX(n), 0) + 1 INTO v_first FROM tier_move;
        EXECUTE IMMEDIATE CONCAT(
            'INSERT INTO tier_move (account_id, from_tier_id, to_tier_id, spend_usd) ',
            'SELECT r.id, r.tier_id, IF(r.earned_usd > r.min_usd, ',
            '        (SELECT t.id FROM tier t WHERE t.min_spend_usd = r.earned_usd), COALESCE((SELECT t.id FROM tier t ',
            '            WHERE t.min_spend_usd < r.min_usd ORDER BY t.min_spend_usd DESC LIMIT 1), ?)), r.spend_usd ',
            'FROM (SELECT a.id, a.tier_id, c.min_spend_usd AS min_usd, COALESCE(s.spend_usd, 0) AS spend_usd, ',
            '        (SELECT MAX(t.min_spend_usd) FROM tier t WHERE t.min_spend_usd <= COALESCE(s.spend_usd, 0)) AS earned_usd ',
            '    FROM account a JOIN tier c ON c.id = a.tier_id LEFT JOIN (SELECT account_id, SUM(charge_usd) AS spend_usd ',
            '        FROM spend_hourly FORCE INDEX (PRIMARY) WHERE account_id IN (', v_ids, ') AND hour >= ? ',
            '        GROUP BY account_id) s ON s.account_id = a.id ',
            '    WHERE a.id IN (', v_ids, ') AND a.markup_override IS NULL) r ',
            'WHERE COALESCE(r.earned_usd <> r.min_usd, r.tier_id <> ?) ORDER BY r.id')
        USING v_lowest, v_since, v_lowest;
        COMMIT;

        WHILE NOT COALESCE(p_dry_run, 0) AND v_first <= (SELECT COALESCE(MAX(n), 0) FROM tier_move) DO
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
            START TRANSACTION;
            -- Somebody else may have moved an account meanwhile: it is left alone.
            INSERT INTO tier_change (account_id, from_tier_id, to_tier_id, spend_usd, changed_by, changed_at)
            SELECT m.account_id, m.from_tier_id, m.to_tier_id, m.spend_usd, 'recompute', v_now
            FROM tier_move m STRAIGHT_JOIN account a ON a.id = m.account_id
            WHERE m.n >= v_first AND m.n < v_first + 200 AND a.tier_id = m.from_tier_id AND a.markup_override IS NULL
            ORDER BY m.n
            FOR UPDATE;
            UPDATE tier_move m STRAIGHT_JOIN account a ON a.id = m.account_id
            SET a.tier_id = m.to_tier_id, m.done = 1
            WHERE m.n >= v_first AND m.n < v_first + 200 AND a.tier_id = m.from_tier_id AND a.markup_override IS NULL;
            COMMIT;
            SET v_first = v_first + 200;
        END WHILE;
        SET v_next = v_last + 1;
    END LOOP;

    SET SESSION group_concat_max_len = v_concat_max;
    SELECT m.account_id, f.name AS from_tier, t.name AS to_tier, m.spend_usd
    FROM tier_move m JOIN tier f ON f.id = m.from_tier_id JOIN tier t ON t.id = m.to_tier_id
    WHERE m.done OR COALESCE(p_dry_run, 0)
    ORDER BY m.account_id;
    DROP TEMPORARY TABLE tier_move;
END //

DELIMITER ;
