/// Balance without a loss (DeepSeek-V3, section 2.1.2): after a step, the selection bias of each expert that had less
/// than its share of the tokens rises, and of each that had more falls.
package enum LoadBalance {
  /// bᵢ ← bᵢ + speed · sign(mean load − loadᵢ), from the loads of the whole step, which are integers: the comparison is
  /// exact.
  package static func update(_ bias: inout [Float], loads: [Int], speed: Double) {
    guard speed > 0, bias.count == loads.count else { return }
    let total = loads.reduce(0, +)
    let step = Float(speed)
    for (i, load) in loads.enumerated() {
      // mean > load, without the division.
      let scaled = load * loads.count
      if scaled < total { bias[i] += step } else if scaled > total { bias[i] -= step }
    }
  }
}
