/// Tiny checkpoints of the families that have no golden: `Tests/Reference/make_family_checkpoints.py` makes them.
package enum FamilyFixtures {
  package static let names = [
    "bailing_moe_v2", "dots1", "ernie4_5_moe", "exaone_moe", "hy_v3", "mistral4", "sarvam_mla", "sarvam_moe",
    "solar_open",
  ]

  package static func folder(_ name: String) -> String {
    Page.root.appending(path: "Tests/Fixtures/families/\(name)").path
  }
}
