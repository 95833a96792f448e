-- SPDX-License-Identifier: Apache-2.0
-- Webhooks to customers. A row is pending until an attempt was answered with 2xx (delivered) or the last one failed
-- (dead). Whoever makes an attempt claims the row first: its claim is set and due is moved to the end of a lease, so
-- that nobody else takes it, and a process that dies leaves a row that becomes due by itself.
DELIMITER //

-- Called by the procedure that ends a job, within its transaction. Idempotent for a task and an event. Without a URL
-- there is nobody to tell: no row, o_id is NULL.
CREATE OR REPLACE PROCEDURE webhook_enqueue_inner(
    IN p_account_id INT UNSIGNED,
    IN p_event VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_task_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin,
    IN p_url VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    IN p_body MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci,
    OUT o_id CHAR(30) CHARACTER SET ascii COLLATE ascii_bin
)
SQL SECURITY DEFINER
MODIFIES SQL DATA
COMMENT 'Webhooks, internal: puts a webhook in line, at once due. Account, event, task, URL, body'
BEGIN
    DECLARE v_now DATETIME(6) DEFAULT UTC_TIMESTAMP(6);
    DECLARE v_host VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;

    SET o_id = NULL;
    IF COALESCE(p_url, '') <> '' THEN
        -- 48 bits of milliseconds and 80 random ones, five a character, in digits that sort.
        SET o_id = CONCAT('whd_', LPAD(CONV(FLOOR(UNIX_TIMESTAMP(v_now) * 1000), 10, 32), 10, '0'),
            LPAD(CONV(HEX(RANDOM_BYTES(5)), 16, 32), 8, '0'), LPAD(CONV(HEX(RANDOM_BYTES(5)), 16, 32), 8, '0'));
        -- What stands between the scheme (with a user name, if any) and the port or path.
        SET v_host = SUBSTRING_INDEX(REGEXP_SUBSTR(SUBSTRING(p_url, LOCATE('://', p_url) + 3), '^[^/?#]*'), '@', -1);
        SET v_host = IF(v_host LIKE '[%', SUBSTRING_INDEX(v_host, ']', 1), SUBSTRING_INDEX(v_host, ':', 1));
        INSERT INTO webhook_delivery (id, account_id, event, task_id, url, host_key, body, due, created_at)
        VALUES (o_id, p_account_id, p_event, p_task_id, p_url, CONV(LEFT(MD5(LOWER(v_host)), 15), 16, 10), p_body,
            v_now, v_now)
        ON DUPLICATE KEY UPDATE id = id;
        SELECT id INTO o_id FROM webhook_delivery WHERE task_id = p_task_id AND event = p_event FOR UPDATE;
    END IF;
END //

DELIMITER ;
