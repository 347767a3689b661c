import Kernels

/// What loading a model cost, over all ranks; the same on every rank.
package struct LoadReport: Sendable {
  package var bytesReadByRank: [Int]
  package var memoryByRank: [Int]
  /// From the start of reading until the last rank was done.
  package var seconds: Double
  /// Of each rank.
  package var cacheTokens: Int
  package var cacheType: CacheType
  package var cacheBytes: Int
  /// Sampled pages of weights that lie on another NUMA node than the workers that read them.
  package var misplacedPages: Int
}
