/// Made for these tests, beside those of `TLSTests`; valid for a hundred years.
enum TestCertificates {
  /// For `other.localhost`.
  static let otherCertificate = """
    -----BEGIN CERTIFICATE-----
    MIIBijCCATGgAwIBAgIUQSQJMdBtfAALO3DYqPwsVMFQ5WcwCgYIKoZIzj0EAwIw
    GjEYMBYGA1UEAwwPb3RoZXIubG9jYWxob3N0MCAXDTI2MTEyODIzNDExNloYDzIx
    MjYxMTA0MjM0MTE2WjAaMRgwFgYDVQQDDA9vdGhlci5sb2NhbGhvc3QwWTATBgcq
    hkjOPQIBBggqhkjOPQMBBwNCAAS2VU4hp+kjCh4vbJXCNruldOKf8qzbV3Ha612Z
    8jmy7qwB1W6NTgefKKvb0f9Nkf+1kC50SR2RyxEh+bAPJNmxo1MwUTAdBgNVHQ4E
    FgQUWi6BpIA+SwsZeZI8wrKnJt9ELs8wHwYDVR0jBBgwFoAUWi6BpIA+SwsZeZI8
    wrKnJt9ELs8wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiAnH86W
    7SSRKEHnXONOH6eVPHJN7mI37lgT05P0gPvAZQIgKWfOavEwdH75kmmnyIkbseWQ
    vnPxL2j1AfttbGJU13Q=
    -----END CERTIFICATE-----
    """
  static let otherKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghZYpFjX9F1CY/qOt
    tFsSzpE2Wr5zVniMfuz91IBy6/ehRANCAAS2VU4hp+kjCh4vbJXCNruldOKf8qzb
    V3Ha612Z8jmy7qwB1W6NTgefKKvb0f9Nkf+1kC50SR2RyxEh+bAPJNmx
    -----END PRIVATE KEY-----
    """
  /// The same key with a passphrase.
  static let encryptedKey = """
    -----BEGIN ENCRYPTED PRIVATE KEY-----
    MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhz6Ki4bKIKxAICCAAw
    DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEFo4HzuojT3tnAjUtdHyHMwEgZCq
    GX4XC0QnpLCeoqaMpi+l0YhVvZ9s/danjSpf6/jMc0yo89nOQZOCB5RrCU7iVsyR
    RRoMG9JuZ+ye93uWMyG8J9b8Dw7JrUsI9Gmxhf6/vVKr7RiXRJMR+yFZNoffKYku
    om1RZFx+ngbVXS9b0Xle3etmY0ijcAHh/2DvZ098Yj5g/VyKORDz4QpHpVbedxU=
    -----END ENCRYPTED PRIVATE KEY-----
    """
}
