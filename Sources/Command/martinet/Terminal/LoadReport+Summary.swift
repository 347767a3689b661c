import Inference
import Reports

extension LoadReport {
  /// What loading cost, in one line.
  var summary: String {
    let rate = seconds > 0 ? Double(bytesReadByRank.reduce(0, +)) / seconds / 1e9 : 0
    return
      "read \(Figures.perRank(bytesReadByRank)) at \(Figures.decimals(rate, 2)) GB/s; memory \(Figures.perRank(memoryByRank)), "
      + "and up to \(Figures.size(cacheBytes)) a rank for a cache of \(cacheTokens) tokens (\(cacheType.rawValue))"
  }
}
