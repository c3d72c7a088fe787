"""The cart and the store: topics, messages, the link over MQTT, and the outbox that empties the journal into it."""
