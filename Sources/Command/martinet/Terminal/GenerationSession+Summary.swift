import Inference
import Kernels
import ModelRuntime
import MoEModel
import Reports

extension GenerationSession {
  /// What loading cost, and room for what, in one line.
  var summary: String {
    let report = model.report
    let rate = report.seconds > 0 ? Double(report.bytesReadByRank.reduce(0, +)) / report.seconds / 1e9 : 0
    let cacheBytes = options.cacheByteCount(description, cacheBlocks: limits.blocksPerRank)
    let tokens = limits.blocksPerRank * KeyValueCache.blockTokens
    let states = limits.statesPerRank == 0 ? "" : " and \(Figures.count(limits.statesPerRank, "recurrent state"))"
    return
      """
      read \(Figures.perRank(report.bytesReadByRank)) at \(Figures.decimals(rate, 2)) GB/s; memory \
      \(Figures.perRank(report.memoryByRank)), and up to \(Figures.size(cacheBytes)) a rank for a cache of \
      \(tokens) tokens (\(options.cacheType.rawValue))\(states)
      """
  }
}
