/// What a checkpoint may cost its reader before a byte of weights is asked for.
///
/// The largest published folders (about 150,000 tensors, 200 shards, 20 MB of headers) stay well below.
package struct CheckpointLimits: Sendable {
  /// Of one weights file, sparse or not; with `shardCount`, small enough that no sum of sizes overflows.
  package var fileByteCount = 1 << 50
  /// Of one safetensors header; the format's own limit is 100,000,000.
  package var headerByteCount = 64 << 20
  package var indexByteCount = 64 << 20
  package var configByteCount = 4 << 20
  package var metadataByteCount = 1 << 20
  package var tensorCount = 1 << 20
  package var shardCount = 4096
  package var nameByteCount = 1024
  package var rank = 8
  package var dimension = 1 << 40

  package init() {}
}
