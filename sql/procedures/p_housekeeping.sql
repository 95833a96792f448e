-- SPDX-License-Identifier: Apache-2.0
DELIMITER //

-- Deletes holds that ended more than p_days days ago, in small transactions. A settlement that is replayed later
-- than this finds no hold and charges nothing, so keep them longer than a spool file may wait for its database.
CREATE OR REPLACE PROCEDURE hold_purge(
    IN p_days INT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: deletes holds that ended more than so many days ago (at least 2)'
BEGIN
    DECLARE v_before DATETIME(6);
    DECLARE v_rows, v_deleted BIGINT UNSIGNED DEFAULT 0;

    IF COALESCE(p_days, 0) < 2 THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Resolved holds must be kept for 2 days or more.';
    END IF;
    -- A hold is resolved before it expires or soon after, so its expiry is its age, and the index has it.
    SET v_before = UTC_TIMESTAMP(6) - INTERVAL p_days DAY;
    REPEAT
        SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
        START TRANSACTION;
        DELETE FROM hold WHERE state IN ('settled', 'released', 'expired') AND expires_at < v_before
            AND resolved_at < v_before LIMIT 500;
        SET v_rows = ROW_COUNT(), v_deleted = v_deleted + v_rows;
        COMMIT;
    UNTIL v_rows < 500 END REPEAT;
    SELECT v_deleted AS deleted;
END //

-- Makes sure that usage_log has a partition for this month and the next p_months. Rows beyond the last one land
-- in pmax, so inserts never fail; splitting pmax while it has rows copies those rows.
CREATE OR REPLACE PROCEDURE usage_partition_ahead(
    IN p_months TINYINT UNSIGNED
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Cron: adds the partitions of usage_log for this month and so many more'
BEGIN
    DECLARE v_month DATE DEFAULT UTC_DATE() - INTERVAL DAYOFMONTH(UTC_DATE()) - 1 DAY;
    DECLARE v_last DATE;
    DECLARE v_added INT DEFAULT 0;
    DECLARE v_parts TEXT CHARACTER SET ascii DEFAULT '';
    -- Another host added them at the same time.
    DECLARE CONTINUE HANDLER FOR 1517 SET v_added = 0;

    -- PARTITION_DESCRIPTION of a month is its end: the first day of the next one, in quotes.
    SELECT MAX(TRIM(BOTH '''' FROM PARTITION_DESCRIPTION)) INTO v_last
    FROM information_schema.PARTITIONS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'usage_log' AND PARTITION_NAME <> 'pmax';
    IF v_last > v_month THEN
        SET v_month = v_last;
    END IF;
    WHILE v_month <= UTC_DATE() + INTERVAL p_months MONTH DO
        SET v_parts = CONCAT(v_parts, 'PARTITION p', DATE_FORMAT(v_month, '%Y%m'), ' VALUES LESS THAN (''',
                v_month + INTERVAL 1 MONTH, ' 00:00:00''), '),
            v_month = v_month + INTERVAL 1 MONTH, v_added = v_added + 1;
    END WHILE;
    IF v_added > 0 THEN
        EXECUTE IMMEDIATE CONCAT('ALTER TABLE usage_log REORGANIZE PARTITION pmax INTO (', v_parts,
            'PARTITION pmax VALUES LESS THAN (MAXVALUE))');
    END IF;
    SELECT v_added AS added;
END //

-- Drops the usage rows of whole months. Balances, caps and statistics (spend_hourly) do not need them; what can no
-- longer be done is to recompute the charges of those months. v_ledger_check knows from retention.
CREATE OR REPLACE PROCEDURE usage_drop_before(
    IN p_month DATE
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Operator: drops the usage rows of all months before that of a day, which must be 2 months ago or more'
BEGIN
    DECLARE v_month DATE DEFAULT p_month - INTERVAL DAYOFMONTH(p_month) - 1 DAY;
    DECLARE v_parts TEXT CHARACTER SET ascii;

    IF v_month IS NULL OR v_month > UTC_DATE() - INTERVAL 2 MONTH THEN
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'Usage rows must be kept for two months or more.';
    END IF;
    SELECT GROUP_CONCAT(PARTITION_NAME ORDER BY PARTITION_ORDINAL_POSITION SEPARATOR ', ') INTO v_parts
    FROM information_schema.PARTITIONS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'usage_log' AND PARTITION_NAME <> 'pmax'
        AND TRIM(BOTH '''' FROM PARTITION_DESCRIPTION) <= v_month;
    IF v_parts IS NOT NULL THEN
        INSERT INTO retention (name, kept_from) VALUES ('usage_log', v_month)
        ON DUPLICATE KEY UPDATE kept_from = GREATEST(kept_from, v_month);
        EXECUTE IMMEDIATE CONCAT('ALTER TABLE usage_log DROP PARTITION ', v_parts);
    END IF;
    SELECT COALESCE(v_parts, 'none') AS dropped;
END //

DELIMITER ;
