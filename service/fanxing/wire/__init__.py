"""The only room with gRPC and protobuf."""
