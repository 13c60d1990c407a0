"""One job: request, process, context, life cycle."""
