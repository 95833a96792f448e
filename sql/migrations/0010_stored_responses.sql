-- SPDX-License-Identifier: Apache-2.0
-- Responses that clients asked to keep (POST /v1/responses with "store": true).

CREATE TABLE IF NOT EXISTS stored_response (
    id CHAR(31) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Id that the client knows: resp_ and the ULID of the request',
    account_id INT UNSIGNED NOT NULL COMMENT 'Account that paid',
    owner_id INT UNSIGNED NOT NULL COMMENT 'Account of the key that called; both must be those of who reads',
    previous_id CHAR(31) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'Response that it went on from; empty: none',
    depth SMALLINT UNSIGNED NOT NULL COMMENT 'Number of responses up to this one, itself included',
    chain_bytes INT UNSIGNED NOT NULL COMMENT 'Bytes of sealed in all of them',
    created_at DATETIME(6) NOT NULL COMMENT 'When it was answered, UTC',
    expires_at DATETIME(6) NOT NULL COMMENT 'Deleted after this time, UTC',
    sealed MEDIUMBLOB NOT NULL COMMENT 'Input items and response, encrypted under secret_key',
    PRIMARY KEY (id),
    KEY expires_at (expires_at),
    KEY owner_id (owner_id, account_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Responses kept for 30 days because the request said so; holds no money';

CREATE TABLE IF NOT EXISTS stored_item (
    response_id CHAR(31) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Response that has the item',
    item_id VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL COMMENT 'Id of the item, by which a later request may refer to it',
    PRIMARY KEY (response_id, item_id),
    KEY item_id (item_id),
    CONSTRAINT stored_item_response FOREIGN KEY (response_id) REFERENCES stored_response (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
  COMMENT='Which stored response an output item is in';
