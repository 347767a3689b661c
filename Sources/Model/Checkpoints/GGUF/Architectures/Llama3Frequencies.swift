import Glibc
import JSON

/// Llama 3's scaling of rotary frequencies, told from what each is divided by.
///
/// GGUF files have the divisors in place of the settings that they follow from: 1 for short wavelengths, the factor for
/// long ones, and between them a blend that depends on both bounds and the original context. All of Llama 3.1 to 3.3
/// have the same bounds, and a context of 8192.
struct Llama3Frequencies {
  private static let (low, high) = (1.0, 4.0)
  let factor: Float
  /// Positions of the original context: the first power of two that gives the divisors.
  let original: Int

  /// Nil where the divisors are no such scaling's. `factors`: one for each rotary pair.
  init?(factors: [Float], base: Double) {
    guard let largest = factors.max(), largest >= 1, largest.isFinite, base > 1 else { return nil }
    factor = largest
    let candidates = [8192] + (4...20).map { 1 << $0 }
    guard
      let found = candidates.first(where: { Self.gives(factors, base: base, factor: Double(largest), original: $0) })
    else { return nil }
    original = found
  }

  private static func gives(_ factors: [Float], base: Double, factor: Double, original: Int) -> Bool {
    factors.enumerated().allSatisfy { pair, found in
      let wavelength = 2 * Double.pi * pow(base, Double(pair) / Double(factors.count))
      let expected: Double
      if wavelength < Double(original) / high {
        expected = 1
      } else if wavelength > Double(original) / low {
        expected = factor
      } else {
        let smooth = (Double(original) / wavelength - low) / (high - low)
        expected = 1 / ((1 - smooth) / factor + smooth)
      }
      return abs(Double(found) - expected) <= 1e-3 * expected
    }
  }

  var json: JSONValue {
    [
      "rope_type": "llama3", "factor": .float(factor), "low_freq_factor": .double(Self.low),
      "high_freq_factor": .double(Self.high), "original_max_position_embeddings": .int(original),
    ]
  }
}
