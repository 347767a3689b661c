/// How a completion's reward compares with those of its group.
package enum Advantage {
  /// For each of a group's `rewards`: r − mean, over the standard deviation where `divides` (GRPO, DeepSeek-R1's
  /// equation 3), else as it is (Dr. GRPO).
  package static func of(_ rewards: [Double], divides: Bool) -> [Double] {
    guard let first = rewards.first, rewards.contains(where: { $0 != first }) else {
      return Array(repeating: 0, count: rewards.count)
    }
    let mean = rewards.reduce(0, +) / Double(rewards.count)
    let apart = rewards.map { $0 - mean }
    guard divides else { return apart }
    let deviation = (apart.reduce(0) { $0 + $1 * $1 } / Double(rewards.count)).squareRoot()
    return apart.map { $0 / (deviation + 1e-6) }
  }
}
