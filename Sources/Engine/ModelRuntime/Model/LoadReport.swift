/// What loading a model cost, over all ranks; the same on every rank.
package struct LoadReport: Sendable {
  package var bytesReadByRank: [Int]
  /// Memory that several ranks have in common counts at the first of them.
  package var memoryByRank: [Int]
  /// From the start of reading until the last rank was done.
  package var seconds: Double
  /// Sampled pages of weights that lie on another NUMA node than the workers that read them.
  package var misplacedPages: Int
}

/// Progress of a model's start, for whoever shows it.
package enum LoadEvent: Sendable {
  /// Something a user should know, on rank 0.
  case note(String)
  /// Bytes read so far, and in all, on this rank.
  case loading(bytes: Int, of: Int)
}
