import Telemetry

extension LinkModel {
  /// In words: latency, bandwidth, and how well it fits.
  package var summary: String {
    let last = pieces[pieces.count - 1]
    let rate = last.beta > 0 ? "\(Decimals.text(1 / last.beta / 1e9, 2)) GB/s" : "no cost a byte"
    return
      """
      α \(Decimals.text(pieces[0].alpha * 1e6, 1)) µs, \
      \(rate)\(pieces.count > 1 ? " (\(pieces.count) pieces)" : ""), off by \(Decimals.percent(rmsResidual, 0)), \
      at most \(Decimals.percent(worstResidual, 0))
      """
  }
}
