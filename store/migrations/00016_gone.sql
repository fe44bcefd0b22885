-- gone_after is the seq of its thread's newest run when a message was deleted or rewound, 0 when there was none; null =
-- it is in the thread, or it was gone before this column was.
ALTER TABLE messages ADD COLUMN gone_after INTEGER;
