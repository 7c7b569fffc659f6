"""Models, updates and text exchanged with strangers: signed manifests, their transport, and the measurements that trust rests on."""
