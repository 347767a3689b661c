/// How a model is checked before and while it is loaded.
package struct LoadOptions: Sendable {
  /// Refuse to start when this rank's part does not fit into the memory available.
  package var checksMemory = true
  /// Read all files once on every host before anything else, and compare them.
  package var checksWeights = false
  /// Bytes that each rank will take beside the weights.
  package var otherBytes = 0
  /// Which rank is to hold which experts.
  package var experts = ExpertOptions()
  /// Whether weights outlive this process, and ranks of a host share some.
  package var keeping = KeepingOptions()
  package init() {}
}
